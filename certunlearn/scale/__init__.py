"""Rows that do not fit into memory: on disk, summed by one or by many processes, or on devices."""

from .mesh import OnMesh
from .shards import Shards
from .writing import write_shards

__all__ = ["OnMesh", "Shards", "write_shards"]

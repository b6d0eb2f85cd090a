"""Rows that do not fit into memory: shards on disk, summed here or by an executor's processes."""

from .shards import Shards, write_shards

__all__ = ["Shards", "write_shards"]

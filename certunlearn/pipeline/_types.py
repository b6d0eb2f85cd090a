"""What pipelines are made of, which scikit-learn leaves untyped."""

from __future__ import annotations

from typing import Any, TypeAlias

#: A transformer of scikit-learn or another package, or a word that stands for none.
Step: TypeAlias = Any
#: Names and steps, the model last where it is one of them.
Steps: TypeAlias = list[tuple[str, Step]]
#: A fitted estimator of scikit-learn with the released weights.
Predictor: TypeAlias = Any
#: Arguments of a fit by name.
Arguments: TypeAlias = dict[str, Any]
#: Of a column: NumPy's, pandas' or polars'.
ColumnType: TypeAlias = Any

"""Cholesky factors, norms and diagonals that know their own rounding error."""

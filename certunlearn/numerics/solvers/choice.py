"""Which solver a problem gets: a function of its public dimensions, never of the machine."""

from __future__ import annotations

from ...exceptions import AssumptionError
from ..objective.diagonal_gram import MOST_FORMED

SOLVERS = ("auto", "newton-cholesky", "newton-cg", "lbfgs")
#: Up to so many coefficients "auto" factors the Hessian: its state then fits 432 MB.
AUTO = MOST_FORMED
#: Beyond so many a factored Hessian is refused: its state would not fit 19 GB.
MOST = 20_000
#: Matrices of (p K)^2 doubles that a factored Hessian's state and a removal come to.
_MATRICES = 6


def chosen(solver: str, coefficients: int, *, sparse: bool = False) -> str:
    """Return the solver: what was asked for, or by size what "auto" means.

    Parameters
    ----------
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs"}
        What the user asked for.
    coefficients : int
        p K, intercepts included.
    sparse : bool
        Whether the rows are: then "newton-cg" it is.

    Raises
    ------
    AssumptionError
        If the Hessian was asked to be factored and is too large, or the rows are sparse.

    Examples
    --------
    >>> chosen("auto", 1_000), chosen("auto", 10_000)
    ('newton-cholesky', 'newton-cg')
    """
    if sparse:
        if solver in ("auto", "newton-cg"):
            return "newton-cg"
        raise AssumptionError(
            f'solver="{solver}" takes no sparse rows: use solver="newton-cg" or "auto"'
        )
    if solver == "auto":
        return "newton-cholesky" if coefficients <= AUTO else "newton-cg"
    if solver == "newton-cholesky" and coefficients > MOST:
        gigabytes = _MATRICES * 8 * coefficients**2 / 1e9
        raise AssumptionError(
            f'solver="newton-cholesky" would hold {_MATRICES} matrices of {coefficients}^2 numbers '
            f'({gigabytes:.0f} GB): use solver="newton-cg" or "auto"'
        )
    return solver

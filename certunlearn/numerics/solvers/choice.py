"""Which solver a problem gets: a function of its public dimensions, never of the machine.

The model of cost, in passes over the rows.  A pass reads n p K numbers twice.  A Gram or Hessian
sweep multiplies n p^2 of them, on one core as fast as some sixteen are read: p / 32 passes a
matrix, whatever n is.  Two such matrices against `_PASSES` passes: where one column of
coefficients has more than `MOST_FACTORED` of them, passes are cheaper.
"""

from __future__ import annotations

from ...exceptions import AssumptionError
from ..objective.diagonal_gram import MOST_FORMED

SOLVERS = ("auto", "newton-cholesky", "newton-cg", "lbfgs")
#: Passes that a fit (20) and seven removals (10 each) take without a factor.
_PASSES = 90
#: Multiplications of a matrix product in the time that one number of a pass takes.
_PER_NUMBER = 32
#: Beyond so many coefficients a column no matrix of that size is formed, unless it is needed.
MOST_FACTORED = _PASSES * _PER_NUMBER // 2
#: Up to so many coefficients "auto" factors the Hessian where the Gram matrix is formed anyway:
#: its state then fits 432 MB.
AUTO = MOST_FORMED
#: Beyond so many a factored Hessian is refused: its state would not fit 19 GB.
MOST = 20_000
#: Matrices of (p K)^2 doubles that a factored Hessian's state and a removal come to.
_MATRICES = 6


def chosen(
    solver: str, p: int, columns: int = 1, *, sparse: bool = False, formed: bool = True
) -> str:
    """Return the solver: what was asked for, or by size what "auto" means.

    Parameters
    ----------
    solver : {"auto", "newton-cholesky", "newton-cg", "lbfgs"}
        What the user asked for.
    p : int
        Coefficients of a column, the intercept included.
    columns : int
        Columns of coefficients.
    sparse : bool
        Whether the rows are: then "newton-cg" it is.
    formed : bool
        Whether the noise needs the Gram matrix in any case.

    Raises
    ------
    AssumptionError
        If the Hessian was asked to be factored and is too large, or the rows are sparse.

    Examples
    --------
    >>> chosen("auto", 1_000), chosen("auto", 2_000, formed=False), chosen("auto", 100, 100)
    ('newton-cholesky', 'lbfgs', 'newton-cg')
    """
    if sparse:
        if solver in ("auto", "newton-cg"):
            return "newton-cg"
        raise AssumptionError(
            f'solver="{solver}" takes no sparse rows: use solver="newton-cg" or "auto"'
        )
    coefficients = p * columns
    if solver == "auto":
        # Where the Gram matrix is formed in any case, a factor of the Hessian costs little more.
        if coefficients <= (AUTO if formed else MOST_FACTORED):
            return "newton-cholesky"
        return "lbfgs" if columns == 1 else "newton-cg"
    if solver == "newton-cholesky" and coefficients > MOST:
        gigabytes = _MATRICES * 8 * coefficients**2 / 1e9
        raise AssumptionError(
            f'solver="newton-cholesky" would hold {_MATRICES} matrices of {coefficients}^2 numbers '
            f'({gigabytes:.0f} GB): use solver="newton-cg" or "auto"'
        )
    return solver


def reason(solver: str, p: int, columns: int) -> str:
    """Say in a few words why "auto" is ``solver`` for such a problem."""
    price = 2 * p * columns // _PER_NUMBER
    return (
        f"{solver}: two matrices of {p * columns}^2 numbers would cost {price} passes, "
        f"a fit and seven removals without them {_PASSES}"
    )

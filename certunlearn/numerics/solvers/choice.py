"""Which solver a problem gets: a function of its public dimensions, never of the machine.

The rule is measured (CPU seconds, one thread, 20 000 rows of length one in float32).  With both
matrices a fit takes 0.66, 0.84, 2.4, 3.7 and 7.3 at 256, 512, 768, 1024 and 1536 columns, and a
removal of one row 0.021, 0.013, 0.020, 0.035 and 0.072 in the mean; without, 0.10, 0.19, 0.28, 0.44
and 0.76, and 0.017, 0.024, 0.030, 0.039 and 0.053.  A fit and two hundred removals cost the same at
some 750; twenty cost less without at any of these.
"""

from __future__ import annotations

from ...exceptions import AssumptionError
from ..objective.diagonal_gram import MOST_FORMED

SOLVERS = ("auto", "newton-cholesky", "newton-cg", "lbfgs")
#: Removals of single rows that a model is made for.
_REMOVALS = 200
#: Beyond so many coefficients a column no matrix of that size is formed, unless it is needed.
MOST_FACTORED = 750
#: Up to so many coefficients "auto" factors the Hessian where the Gram matrix is formed anyway:
#: its state then fits 432 MB.
AUTO = MOST_FORMED
#: Up to so many coefficients of separate logistic columns or hinges "auto" factors the Hessians:
#: single rows often leave without a pass there.  Beyond, fits (2.4 against 10 at 2570 coefficients)
#: and removals of 1% (0.17 against 0.46 and 1.6) take less without one.
MOST_SEPARATE = 1500
#: Of softmax.  Beyond, fits take a tenth of the time without one (measured: 0.15 against 1.3 at 650
#: coefficients, 1.1 against 27 at 2570), removals of a tenth of the rows as well (0.07 against
#: 0.7), and a fit with two hundred single rows as much or less (0.02 each against 0.007, at 650).
MOST_COUPLED = 500
#: Beyond so many a factored Hessian is refused: its state would not fit 19 GB.
MOST = 20_000
#: Matrices of (p K)^2 doubles that a factored Hessian's state and a removal come to.
_MATRICES = 6


def chosen(
    solver: str,
    p: int,
    columns: int = 1,
    *,
    sparse: bool = False,
    formed: bool = True,
    shared: int = 0,
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
    shared : int
        Coefficients up to which a factor pays where matrices of classes or columns in single
        precision can take its place, which they can if every slope has a penalty; 0 where they
        cannot.

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
        if shared and columns > 2 and coefficients > shared:
            return "newton-cg"
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


def reason(solver: str, p: int, columns: int, shared: int = 0) -> str:
    """Say in a few words why "auto" is ``solver`` for such a problem."""
    if shared and solver == "newton-cg":
        return (
            f"{solver}: a matrix a class takes the place of a factor of {p * columns}^2 numbers, "
            f"which pays up to some {shared}^2"
        )
    pays = "pays" if solver == "newton-cholesky" else "would not pay"
    return (
        f"{solver}: a factor of {p * columns}^2 numbers {pays} for itself within {_REMOVALS} "
        f"removals of a row, which it does up to some {MOST_FACTORED}^2"
    )

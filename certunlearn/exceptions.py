"""Typed errors: every refusal says what happened, how far it got and what to do."""

from __future__ import annotations

import sys


def caller() -> int:
    """Return the ``stacklevel`` of a warning that is to name the line outside of this package."""
    level, frame = 1, sys._getframe(1)
    package = __name__.rpartition(".")[0]
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(package):
        level, frame = level + 1, frame.f_back
    return level


class CertunlearnError(Exception):
    """Base of every error this package raises on its own account."""


class NotCertifiedError(CertunlearnError):
    """The certificate asked for cannot be issued.

    Attributes
    ----------
    reason : str
        Short machine-readable cause (``"distance"``, ``"drift"``, ``"curvature"``).
    distance : float
        Certified distance that was reached (``inf`` when none was).
    target : float
        Distance that was needed.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "distance",
        distance: float = float("inf"),
        target: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.distance = distance
        self.target = target


class RowError(CertunlearnError, ValueError):
    """A request that does not name rows properly (shape, type, empty, repeated, too many)."""


class UnknownRowError(RowError, KeyError):
    """A row that was never fitted."""

    __str__ = Exception.__str__


class AlreadyForgottenError(RowError):
    """A row that has been forgotten before."""


class AmbiguousRowError(RowError):
    """Integers that could be positions or labels."""


class ConfirmationNeededError(CertunlearnError, ValueError):
    """A request that takes so much that it is only carried out with ``confirm=True``.

    Attributes
    ----------
    reasons : tuple of str
        What would be lost.
    """

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__(
            f"{'; '.join(reasons)}. Nothing has been changed: if that is meant, pass confirm=True; "
            "preview() of the same request shows more"
        )
        self.reasons = reasons

    def __reduce__(self) -> tuple[type[ConfirmationNeededError], tuple[tuple[str, ...]]]:
        return type(self), (self.reasons,)


class BatchRefusedError(CertunlearnError):
    """A batch of requests that cannot be carried out together; the cause says why.

    Attributes
    ----------
    reference : str or None
        The first request with which those before it cannot be carried out; None if no single one
        could be told.
    """

    def __init__(self, message: str, *, reference: str | None = None) -> None:
        super().__init__(message)
        self.reference = reference


class AssumptionError(CertunlearnError, ValueError):
    """The mathematics does not apply: non-finite input, one class left, no strong convexity."""


class ConvergenceError(CertunlearnError):
    """The optimiser cannot lower the gradient any further."""


class StateError(CertunlearnError, ValueError):
    """A fitted model that cannot be written as plain values, or values that are no such model."""


class StaleShardError(CertunlearnError):
    """Rows in files have been changed by somebody else since a model read them."""


class ExecutorError(CertunlearnError, RuntimeError):
    """An executor has not finished a pass over the rows; nothing has been changed."""


class ForkedError(CertunlearnError, RuntimeError):
    """A pass over the rows in a forked process, which would wait for ever for JAX's threads."""


class StoreError(CertunlearnError):
    """A directory that holds a model cannot be used as asked; what was committed is kept."""


class StoreLockedError(StoreError):
    """Somebody else is writing."""


class StoreDamagedError(StoreError):
    """A file is not as it was written."""


class ClockError(StoreError):
    """The machine's clock says that it is earlier than the last entry of the ledger."""


class VerificationError(CertunlearnError, ValueError):
    """A receipt, a head or a bundle does not hold what it says.

    Attributes
    ----------
    check : str
        Which check failed.
    """

    def __init__(self, message: str, *, check: str) -> None:
        super().__init__(message)
        self.check = check

    def __reduce__(self) -> tuple[object, ...]:
        return _verification, (str(self), self.check)


def _verification(message: str, check: str) -> VerificationError:
    return VerificationError(message, check=check)


class ClassForgottenWarning(UserWarning):
    """The last row of a class was forgotten: the model no longer knows the class."""


class NoiseWarning(UserWarning):
    """The noise of a release moves predictions by more than they vary."""


class SecretStateWarning(UserWarning):
    """Rows and the secret iterate are about to be written somewhere."""

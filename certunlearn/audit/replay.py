"""Two worlds on one stream of noise: all that is public must be equal, and is compared here.

In one world the rows were there and are forgotten; in the other they never were, and the same
requests are made.  With the noise held fixed nothing random is left, so a difference is a leak and
no test of significance is needed.  After arXiv 2602.17454 (2026): record the
randomness of one run, replay it in the other.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from .finding import Finding
from .law import Law
from .weights import weights

#: Fitted attributes that carry the noise; only their kind and shape are public by construction.
RELEASED = ("coef_", "intercept_")
#: Fitted attributes that are the owner's log.
OWNERS = ("history_", "n_forgotten_", "n_iter_", "certificate_")
#: What a certificate says of the event rather than of the promise.
EVENT = ("issued", "weights")
_GUARD = threading.Lock()


@dataclass
class Tape:
    """Random bytes that code asked the operating system for: sizes in order, by module."""

    seed: int
    draws: dict[str, list[int]] = field(default_factory=dict)

    def bytes(self, module: str, size: int) -> bytes:
        """Return the next bytes of a module's own stream, and write down how many."""
        sizes = self.draws.setdefault(module, [])
        sizes.append(size)
        # One stream a module: a draw more or less in one does not shift all others.
        name = f"{self.seed}/{module}/{len(sizes)}".encode()
        return hashlib.shake_256(name).digest(size)


@contextmanager
def same_noise(seed: int = 0) -> Iterator[Tape]:
    """Let ``os.urandom`` hand out the bytes of a seed inside the block, and record who asks.

    Calls from the standard library and from other threads get true random bytes.  What is released
    inside hides nothing: it is for audits, never for publication.
    """
    tape, fresh, owner = Tape(seed), os.urandom, threading.get_ident()

    def recorded(size: int, /) -> bytes:
        # Whoever calls `os.urandom`: the standard library's own draws (names of files, hashes) are
        # none of a model's.
        module = str(sys._getframe(1).f_globals.get("__name__", ""))
        if threading.get_ident() != owner or module.split(".")[0] in sys.stdlib_module_names:
            return fresh(size)
        return tape.bytes(module, size)

    # Replaced for the process: two such blocks at once would record each other's draws.
    with _GUARD:
        os.urandom = recorded
        try:
            yield tape
        finally:
            os.urandom = fresh


def facets(value: object, name: str = "") -> object:
    """Return what can be compared of anything a user can get hold of: kind, dtype, shape, values.

    Arrays named in `RELEASED` are compared by kind and shape alone.
    """
    if isinstance(value, np.ndarray):
        shown = "released" if name in RELEASED else value.tolist()
        return [type(value).__name__, str(value.dtype), list(value.shape), shown]
    if isinstance(value, BaseEstimator):
        own = {k: facets(v, k) for k, v in vars(value).items() if not k.startswith("_")}
        return [type(value).__name__, own]
    if isinstance(value, Mapping):
        return {str(k): facets(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(facets, value)]
    shown = "released" if name in RELEASED else re.sub(r" at 0x\w+", "", repr(value))
    return [type(value).__name__, shown]


def visible(model: BaseEstimator) -> dict[str, object]:
    """Return everything that can be seen of a fitted estimator without the owner's log.

    Fitted attributes, parameters, and the public part of a certificate, if it has one.
    """
    own = {k: v for k, v in vars(model).items() if k.endswith("_") and not k.startswith("_")}
    seen = {k: facets(v, k) for k, v in own.items() if k not in OWNERS}
    seen["parameters"] = repr(model)
    if hasattr(model, "export_predictor"):
        seen["export"] = facets(model.export_predictor())
    certificate = getattr(model, "certificate_", None)
    if certificate is not None and hasattr(certificate, "public"):
        said = json.loads(certificate.public().to_json())
        for name, value in said.items():
            if name not in EVENT:
                seen[f"certificate.{name}"] = value
    return seen


@dataclass(frozen=True, kw_only=True)
class Replay(Finding):
    """What differs between two worlds; see `replay`.

    Attributes
    ----------
    differences : tuple of str
        Names of what is not equal.
    compared : int
        How many things were.
    gap : float
        Distance of the two releases: in units of the noise where a law was given.
    gap_cap : float
        Twice the distance that was promised, in the same units; infinite without a law.
    """

    differences: tuple[str, ...]
    compared: int
    gap: float
    gap_cap: float

    @property
    def passed(self) -> bool:
        """Whether nothing differs and the releases are as near as two promises make them."""
        return super().passed and self.gap <= self.gap_cap


def replay(
    removed: Callable[[], BaseEstimator],
    never: Callable[[], BaseEstimator],
    *,
    law: Law | None = None,
    look: Callable[[BaseEstimator], dict[str, object]] = visible,
    seed: int = 0,
) -> Replay:
    """Play two worlds with the same noise and compare everything that is public.

    Parameters
    ----------
    removed, never : callable
        Each fits a model, carries the requests out and returns it: with the rows there at first,
        and with the same requests where they never were (such as rows of weight 0 from the start).
    law : Law, optional
        What the release claims.  With the same noise the releases may then differ by no more than
        twice its ``cap``.
    look : callable, optional
        What is public of a model, as a dict of comparable values; `visible` if not given.
    seed : int
        Of the noise that replaces the operating system's.

    Returns
    -------
    Replay
        The statistic is the number of differences.  Draws of random bytes and warnings count too.

    Notes
    -----
    Every difference is a leak; that there is none says so of these two worlds alone.
    """
    models, seen = [], []
    for play in (removed, never):
        with same_noise(seed) as tape, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = play()
        told = look(model)
        # How much noise is drawn, and in what order, must not depend on the rows either.
        told["draws of random bytes"] = tape.draws
        told["warnings"] = [[w.category.__name__, str(w.message)] for w in caught]
        models.append(model)
        seen.append(told)
    names = sorted(set(seen[0]) | set(seen[1]))
    absent = object()
    differences = tuple(
        name for name in names if seen[0].get(name, absent) != seen[1].get(name, absent)
    )
    gap, gap_cap = _gap(models, law)
    return Replay(
        audit="two worlds on one stream of noise",
        statistic=float(len(differences)),
        null=(0.0, 0.0),
        level=0.0,
        scope="these two worlds; every difference is a leak",
        differences=differences,
        compared=len(names),
        gap=gap,
        gap_cap=gap_cap,
    )


def _gap(models: list[BaseEstimator], law: Law | None) -> tuple[float, float]:
    """Return how far apart the released weights are, and how far they may be."""
    if not all(hasattr(m, "coef_") for m in models):
        return 0.0, math.inf
    # A law of one more coordinate than there are columns counts the intercept.
    with_intercept = law is None or len(law.precision) > np.shape(models[0].coef_)[-1]
    pair: list[NDArray[np.float64]] = [weights(m, fit_intercept=with_intercept) for m in models]
    if pair[0].shape != pair[1].shape:
        return math.inf, math.inf if law is None else 2.0 * law.reach
    difference = pair[0] - pair[1]
    if law is None:
        return float(np.linalg.norm(difference)), math.inf
    gap = float(np.linalg.norm(law.whitened(difference)))
    # Both are rounded to 36 bits; the relative part of that is far below one in a thousand.
    return gap, 2.002 * law.reach

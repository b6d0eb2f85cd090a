"""Long sequences of requests against the truth: ``python -m tests.sequences 100000``.

Single rows, batches, the row of largest leverage, additions and edits follow each other on one
model, and after every request the exact optimum is found in long double.  The planner is told that
a refresh costs a thousand passes, so that errors may add up.  Now and then the store closes up.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from contextlib import contextmanager

import numpy as np

from certunlearn.engine import condensing, unlearner, worth
from certunlearn.engine.distances.carryover import Carryover
from certunlearn.exceptions import ConvergenceError, NotCertifiedError

from . import problems, reference, strategies

#: (rows at the start, rows to add from, features, classes).
SHAPES = ((50, 14, 2, 2), (60, 40, 3, 3), (300, 80, 4, 2), (300, 80, 2, 3))
KINDS = ("one", "one", "one", "batch", "heavy", "add", "add", "edit")


@contextmanager
def patient():
    """Let chord steps go on for a thousand passes before a refresh is thought of."""
    passes, capacity = worth.passes_worth_a_refresh, Carryover.capacity
    when = condensing._SHARE, condensing._FEW
    condensing._SHARE, condensing._FEW = 0.0, 0
    worth.passes_worth_a_refresh, Carryover.capacity = lambda _: 1000, lambda *_: 0.0
    try:
        yield
    finally:
        worth.passes_worth_a_refresh, Carryover.capacity = passes, capacity
        condensing._SHARE, condensing._FEW = when


class Sequence:
    """A model, the rows it should hold, and what the truth says about it.

    ``held`` lists the data behind every row of the store; a row of data that has been forgotten
    may come again, as another row of the store.
    """

    def __init__(self, regime, shape, C, intercept, mechanism, seed):
        start, more, d, K = shape
        self.rng = np.random.default_rng(seed)
        self.X, self.codes, self.weight = strategies.REGIMES[regime](self.rng, start + more, d, K)
        self.codes[: 2 * K] = np.tile(np.arange(K), 2)
        self.C, self.intercept, self.start = C, intercept, None
        self.held = np.arange(start)
        self.alive = np.ones(start, dtype=bool)
        settings = problems.settings(C=C, fit_intercept=intercept, mechanism=mechanism)
        part = self.X[:start], self.codes[:start], self.weight[:start]
        self.model = unlearner.fit(*part, settings)
        self.tiers: Counter = Counter()

    def removable(self):
        """Positions whose removal leaves two rows of their class."""
        positions = self.rng.permutation(np.flatnonzero(self.alive))
        codes = self.codes[self.held[positions]]
        counts = np.bincount(codes)
        # The first two of every class in this order stay.
        order = np.argsort(codes, kind="stable")
        rank = np.empty(len(codes), dtype=int)
        rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        return positions[rank >= 2]

    def request(self):
        """Rows that go and rows of data that come."""
        kind, gone, new = self.rng.choice(KINDS), np.zeros(0, np.int64), np.zeros(0, np.int64)
        room = self.removable()
        outside = np.setdiff1d(np.arange(len(self.X)), self.held[self.alive])
        if kind in ("one", "edit"):
            gone = room[:1]
        if kind == "batch":
            gone = room[: self.rng.integers(2, 6)]
        if kind == "heavy" and len(room):
            size = np.abs(self.X[self.held[room]] / np.abs(self.X).max(axis=0)).max(axis=1)
            gone = room[[np.argmax(size)]]
        if (kind in ("add", "edit") or len(gone) == 0) and len(outside):
            new = self.rng.permutation(outside)[: self.rng.integers(1, 5)]
        return gone, new

    def step(self):
        """One request on the model; its tier."""
        gone, new = self.request()
        rows = self.X[new], self.codes[new], self.weight[new]
        if len(new):
            self.model = self.model.edit(np.sort(gone), *rows)
        else:
            self.model = self.model.forget(np.sort(gone))
        self.model.scrub()
        self.alive[gone] = False
        self.held = np.concatenate([self.held, new])
        self.alive = np.concatenate([self.alive, np.ones(len(new), dtype=bool)])
        self.tiers[self.model.reached.tier] += 1
        closed = self.model.condensed() if self.rng.random() < 0.2 else None
        if closed is not None:
            self.model, keep = closed
            assert np.array_equal(keep, self.alive)
            self.held, self.alive = self.held[keep], self.alive[keep]

    def truth(self):
        """True distance of the secret iterate to the exact optimum, and the oracle's own error."""
        data = self.held[self.alive]
        half = problems.half_of(self.model.gram.geometry)
        args = self.X[data], self.codes[data], self.weight[data], self.C, self.intercept
        found = reference.optimum(*args, self.start)
        if not found.sound:
            # The oracle may diverge from where the last request left it.
            found = reference.optimum(*args)
        true, error = found.apart(self.model.W, half)
        if not error <= 0.05 * self.model.reached.distance:
            found = reference.optimum(*args, found.W, dtype=object)
            true, error = found.apart(self.model.W, half)
            assert found.sound and error <= 0.05 * self.model.reached.distance
        self.start = found.W
        return true, error

    def check(self):
        """Certified against true; their ratio."""
        model = self.model
        true, error = self.truth()
        assert model.certificate.n_retained == np.count_nonzero(self.alive)
        assert model.reached.distance <= model.certificate.distance_target
        assert true <= model.reached.distance + error, (true, model.reached.distance)
        geometry = model.gram.geometry
        if not model.gram.same_program and geometry.mechanism != "isotropic":
            data, kappa = self.held[self.alive], model.objective.loss.kappa
            G = reference.gram(self.X[data], self.weight[data], self.C, self.intercept, kappa)
            assert problems.drifted(geometry, G) <= geometry.drift(0.0)
        return model.reached.distance / max(true, error)


def run(number, requests):
    """Sequence ``number``: its tiers, its tightest bound over truth, and why it stopped early."""
    rng = np.random.default_rng(number)
    regimes = tuple(strategies.REGIMES)
    regime, shape = regimes[number % len(regimes)], SHAPES[rng.integers(len(SHAPES))]
    mechanism = strategies.MECHANISMS[rng.integers(3)]
    C = float(10.0 ** rng.uniform(2 if regime == "saturated" else -2, 3))
    tightest, why = np.inf, "done"
    tiers: Counter = Counter()
    with patient():
        try:
            s = Sequence(regime, shape, C, bool(rng.integers(2)), mechanism, number)
            tiers = s.tiers
            for _ in range(requests):
                s.step()
                tightest = min(tightest, s.check())
        except NotCertifiedError as error:
            why = f"refused: {error.reason}, {mechanism}, {regime}"
        except ConvergenceError:
            why = f"no convergence, {mechanism}, {regime}"
    return tiers, tightest, why


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sequences", description=__doc__)
    parser.add_argument("requests", type=int, help="requests in all")
    parser.add_argument("--length", type=int, default=1000, help="requests a sequence")
    parser.add_argument("--first", type=int, default=0, help="number of the first sequence")
    given = parser.parse_args()
    tiers, reasons, tightest, clock = Counter(), Counter(), np.inf, time.perf_counter()
    count = -(-given.requests // given.length)
    for i in range(count):
        more, ratio, why = run(given.first + i, given.length)
        tiers, tightest = tiers + more, min(tightest, ratio)
        reasons[why] += 1
        done = f"{i + 1}/{count} sequences, {sum(tiers.values())} requests certified"
        spent = time.perf_counter() - clock
        print(f"\r{done}, bound/true >= {tightest:.2f}, {spent:.0f} s ", end="", file=sys.stderr)
    print(f"\n{dict(tiers)}\n{dict(reasons)}\nno violation; bound/true at least {tightest:.3f}")


if __name__ == "__main__":
    main()

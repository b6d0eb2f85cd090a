"""Signals at any instruction of a verb: the model is as it was, or the verb has been carried out.

Half of the signals come from a timer, at times spread evenly over what the verb takes; the other
half at one of the instructions of the verb where the interpreter handles signals, drawn alike among
them all, by a tracer that sends the process one there.  The handler raises, as that of Ctrl-C does.
"""

import copy
import dis
import functools
import gc
import pickle
import signal
import sys
import threading
import time
import warnings
from dataclasses import replace

import jax
import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from certunlearn import (
    CertifiedLogReg,
    CertifiedMinNorm,
    ForgetQueue,
    ForgettingPipeline,
    forget_in,
    mix,
)
from certunlearn._common import interrupts as _interrupts
from certunlearn._common.interrupts import checkpoint, deferred
from certunlearn.engine import condensing
from certunlearn.exceptions import SecretStateWarning
from certunlearn.numerics.rows.dense import DenseRows

from .. import reference

N, D = 70, 3
pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here"),
    # A handler that raises where Python closes a generator: Python says so and goes on.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


#: Not empty while the handler raises.
armed = []


class Interrupted(BaseException):
    """What the handler raises."""


@pytest.fixture
def alarm():
    """Send SIGALRM where it raises; afterwards everything is as it was."""

    def handler(number, frame):
        if armed:
            armed.clear()
            raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    threads = {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert signal.getsignal(signal.SIGALRM) is handler
    signal.signal(signal.SIGALRM, before)
    assert not _interrupts._depth and not _interrupts._came
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    # What the caller computes with JAX and BLAS is what it was.
    assert jax.numpy.zeros(1).dtype == np.float32
    assert threads == {i["num_threads"] for i in threadpool_info() if i["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def closing_up_often(monkeypatch):
    """Let the store close up every few rows, so that signals come meanwhile."""
    monkeypatch.setattr(condensing, "_SHARE", 0.03)
    monkeypatch.setattr(condensing, "_FEW", 0)


class World:
    """A model and the rows its caller knows to be in it, position for position."""

    def __init__(self, kind, seed):
        self.kind, self.rng = kind, np.random.default_rng(seed)
        self.X, self.y = self.new(D * 60 if kind == "min_norm" else N)
        if kind == "min_norm":
            self.X, self.y = self.X[:20], self.y[:20]
        self.alive = np.ones(len(self.X), dtype=bool)
        self.model = self.made().fit(self.given(self.X), self.y)

    def made(self):
        seed = int(self.rng.integers(1 << 30))
        if self.kind == "min_norm":
            return CertifiedMinNorm(random_state=seed)
        solver = "newton-cg" if self.kind == "sparse" else "auto"
        head = CertifiedLogReg(random_state=seed, solver=solver)
        scale = StandardScaler()
        if self.kind == "recounted":
            # Inside a ColumnTransformer the step is fitted anew, and the rows are kept.
            scale = ColumnTransformer([("all", scale, list(range(D)))])
        if self.kind in ("pipeline", "recounted"):
            return ForgettingPipeline([("scale", scale), ("model", head)])
        return head

    @property
    def scaler(self):
        """The fitted scaler of a pipeline."""
        step = self.model.steps[0][1]
        return step.named_transformers_["all"] if self.kind == "recounted" else step

    def new(self, m):
        """Rows of the world's kind."""
        d = 60 if self.kind == "min_norm" else D
        X = self.rng.normal(size=(m, d))
        if self.kind == "min_norm":
            return X, X[:, 0] + self.rng.normal(size=m)
        if self.kind == "sparse":
            X = X * (self.rng.random(X.shape) < 0.6)
        X = X.astype(np.float32) if self.kind == "float32" else X
        return X, (X[:, 0] + self.rng.normal(size=m) > 0).astype(int)

    def given(self, X):
        return sp.csr_array(X) if self.kind == "sparse" else X

    @property
    def head(self):
        return getattr(self.model, "head", self.model)

    def drawn(self):
        """A verb, and what it does to the rows the caller knows."""
        verb = str(self.rng.choice(["forget", "forget", "learn", "correct", "release", "pickle"]))
        live = np.flatnonzero(self.alive)
        if len(live) < 12 or (self.kind != "min_norm" and len(live) < N // 2):
            verb = "learn"
        elif len(live) > (36 if self.kind == "min_norm" else 2 * N):
            verb = "forget"
        X, y, alive = self.X, self.y, self.alive
        if verb == "forget":
            rows = self.rng.permutation(live)[: int(self.rng.integers(1, 3))]
            alive = alive & ~np.isin(np.arange(len(alive)), rows)
            return lambda m: m.forget(rows=rows, confirm=True), (X, y, alive)
        if verb == "learn":
            # A number that float32 does not hold widens the store, and must not if nothing is done.
            more, labels = self.new(3)
            if self.kind == "float32":
                more = more + 0.1
            after = np.vstack([X, more]), np.append(y, labels), np.append(alive, [True] * 3)
            return lambda m: m.learn(self.given(more), labels), after
        if verb == "correct":
            at = self.rng.choice(live)
            row, label = self.new(1)
            X, y = X.copy(), y.copy()
            X[at], y[at] = row[0], label[0]
            return lambda m: m.correct(rows=[at], X=self.given(row), y=label), (X, y, alive)
        return (lambda m: m.release()) if verb == "release" else pickled, (X, y, alive)

    def state(self, model):
        """Everything a caller can see of a model, but for how long it took."""
        head = getattr(model, "head", model)
        c = replace(head.certificate_, seconds=0.0, passes=0, distance=0.0, issued=None)
        shown = [head.coef_.tobytes(), np.asarray(head.intercept_).tobytes(), c, head.solver_]
        shown += [head.n_retained_, head.n_forgotten_, [e["event"] for e in head.history_]]
        shown += [
            head._fitted.names.n,
            head._fitted.model.members.weights.array.tobytes(),
            head._fitted.model.requests,
        ]
        shown[-1] = replace(shown[-1], named=None)
        if self.kind == "pipeline":
            scale, framed = model.steps[0][1], model._kept.framed
            shown += [scale.mean_.tobytes(), scale.var_.tobytes(), model._kept.mark, framed.count]
            shown += [pickle.dumps(framed.statistics), framed.frame.origin.tobytes()]
        if self.kind == "recounted":
            scale = model.steps[0][1].named_transformers_["all"]
            shown += [scale.mean_.tobytes(), scale.var_.tobytes(), model._kept.at.tobytes()]
            shown += [model._kept.raw.tobytes(), model._kept.mark]
        return shown

    def check(self):
        """The store holds the caller's rows, and what is certified for them is true."""
        guard = self.model._guard
        assert all(free(lock) for lock in (guard.verbs, guard.moment, _interrupts._steady))
        # A verb begins by overwriting what an interrupted one has left.
        self.model._settle()
        head, live = self.head, np.flatnonzero(self.alive)
        rows, places = head._fitted.model.rows, head._fitted.names.store(live)
        Z = self.X[live]
        if self.kind == "recounted":
            np.testing.assert_array_equal(self.model._kept.raw, Z)
            np.testing.assert_array_equal(self.model._kept.at, live)
            fresh = clone(self.model.steps[0][1]).fit(Z)
            mean = fresh.named_transformers_["all"].mean_
            np.testing.assert_array_equal(mean, self.scaler.mean_)
            Z = fresh.transform(Z)
        if self.kind == "pipeline":
            fresh, framed = StandardScaler().fit(Z), self.model._kept.framed
            np.testing.assert_allclose(fresh.mean_, self.scaler.mean_, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(fresh.var_, self.scaler.var_, rtol=1e-12)
            assert framed.count == len(live)
            Z = (Z - framed.frame.origin) / framed.frame.unit
        held = head._fitted.model.held(places)
        X = held[0].toarray() if self.kind == "sparse" else held[0]
        np.testing.assert_array_equal(X, Z.astype(np.float64))
        np.testing.assert_array_equal(np.ravel(held[1]), self.y[live])
        assert rows.n == len(head._fitted.model.members.weights) and head._fitted.model.settled
        gone = np.setdiff1d(np.arange(rows.n), places)
        assert not np.asarray(head._fitted.model.held(gone)[0].sum())
        if self.kind == "float32":
            narrow = (self.X == self.X.astype(np.float32)).all()
            assert (rows._X.dtype == np.float32) == (rows.dtype == np.float32) == narrow
        elif self.kind in ("dense", "pipeline", "recounted"):
            assert rows._X.dtype == np.float64

    def certify(self):
        """One more row goes, and the certified distance holds against an exact refit."""
        act, (self.X, self.y, self.alive) = self.drawn_forget()
        act(self.model)
        self.check()
        live, head = self.alive, self.head
        certified, W = head.certificate_.distance, head._fitted.model.W
        if self.kind == "min_norm":
            A, b = reference.LD(1) * self.X[live], reference.LD(1) * self.y[live][:, None]
            L = reference.lower_inverse(reference.cholesky(A @ A.T))
            exact = A.T @ (L.T @ (L @ b))
            assert float(np.sqrt(np.sum((W - exact) ** 2))) <= certified
            return
        X = self.X[live].astype(np.float64)
        if self.kind == "pipeline":
            # tests/pipeline/test_framed.py has the truth for these.
            assert certified <= head.certificate_.distance_target
            return
        X = StandardScaler().fit_transform(X) if self.kind == "recounted" else X
        weight = np.ones(len(X))
        found = reference.optimum(X, self.y[live], weight, 1.0, True, start=W)
        half = reference.half_of(reference.gram(X, weight, 1.0, True, 0.25), "gram")
        assert reference.norm_of(half, W - found.W) <= certified + 1e-12

    def drawn_forget(self):
        rows = np.flatnonzero(self.alive)[:1]
        alive = self.alive.copy()
        alive[rows] = False
        return lambda m: m.forget(rows=rows, confirm=True), (self.X, self.y, alive)


def free(lock):
    """Whether another thread can have a lock: no interrupted verb has kept it."""

    def take():
        if lock.acquire(timeout=10):
            lock.release()
            had.append(True)

    had = []
    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return bool(had)


def pickled(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        return pickle.loads(pickle.dumps(model))


def timed(action, delay):
    """Run with a signal after a delay; tell whether it raised."""
    raised = False
    try:
        armed.append(1)
        signal.setitimer(signal.ITIMER_REAL, max(delay, 1e-5))
        action()
        armed.clear()
    except Interrupted:
        raised = True
    signal.setitimer(signal.ITIMER_REAL, 0)
    armed.clear()
    return raised


#: Instructions after which the interpreter looks for signals.
LOOKING = {"CALL", "CALL_KW", "CALL_FUNCTION_EX", "JUMP_BACKWARD", "JUMP_BACKWARD_QUICK", "RESUME"}
OURS = ("certunlearn", "contextlib", "threadpoolctl", "jax/_src/config")


@functools.cache
def looking(code):
    """Which instructions of a function the interpreter looks for signals after."""
    return {i.offset for i in dis.get_instructions(code) if i.opname in LOOKING}


def traced(action, at):
    """Run with a signal at the ``at``-th place where one can be handled; count those there are.

    These are the beginning of any function, and in our own whatever follows a call or a jump back.
    """
    count, last = 0, {}

    def tracer(frame, event, arg):
        nonlocal count
        code = frame.f_code
        if event == "call":
            frame.f_trace_opcodes = any(part in code.co_filename for part in OURS)
        elif event == "opcode":
            before, last[frame] = last.get(frame), frame.f_lasti
            if before not in looking(code):
                return tracer
        else:
            if event == "exception":
                # What comes next is not what follows the call: no signal is looked for on the way
                # to a handler, and a lock's ``with`` is left by one instruction.
                last.pop(frame, None)
            return tracer
        count += 1
        if count == at:
            armed.append(1)
            signal.raise_signal(signal.SIGALRM)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        action()
        return count, False
    except Interrupted:
        return count, True
    finally:
        sys.settrace(before)
        armed.clear()


FAILING = """
def fails():
    raise ValueError

def act(lock):
    try:
        with lock:
            fails()
    except ValueError:
        pass
"""


def test_signals_are_raised_where_the_interpreter_looks_for_them_alone(alarm):
    """Not between an exception and the lock that its ``with`` gives back."""
    names = {}
    exec(compile(FAILING, "certunlearn/failing.py", "exec"), names)
    places, _ = traced(lambda: names["act"](threading.RLock()), 0)
    assert places
    for at in range(1, places + 1):
        lock = threading.RLock()
        traced(lambda lock=lock: names["act"](lock), at)
        assert free(lock)


def interrupted(world, how):
    """Interrupt one verb; tell whether it was, and whether it had been carried out."""
    act, after = world.drawn()
    twin, before = copy.copy(world.model), world.state(world.model)
    began = time.perf_counter()
    if how == "traced":
        length, _ = traced(lambda: act(copy.copy(world.model)), 0)
    act(twin)
    done = world.state(twin)
    took = time.perf_counter() - began
    if how == "traced":
        at = int(world.rng.integers(1, length + 1))
        _, raised = traced(lambda: act(world.model), at)
    else:
        raised = timed(lambda: act(world.model), float(world.rng.uniform(0, 1.1 * took)))
    now = world.state(world.model)
    assert now in (before, done)
    if now == done:
        world.X, world.y, world.alive = after
    else:
        assert raised
    world.check()
    return raised, now == done


KINDS = ["dense", "float32", "sparse", "pipeline", "recounted", "min_norm"]


def trials(kind, times, seed):
    world, counts = World(kind, seed), {}
    gc.disable()
    try:
        for k in range(times):
            how = ("timed", "traced")[k % 2]
            outcome = interrupted(world, how)
            counts[how, *outcome] = counts.get((how, *outcome), 0) + 1
            if k % 10 == 9:
                world.certify()
    finally:
        gc.enable()
    # Signals came in time, and some of them too late to stop anything.
    assert sum(n for (_, raised, _), n in counts.items() if raised) > times // 3
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_a_signal_leaves_the_model_as_it_was_or_done(kind, alarm):
    trials(kind, 16, seed=KINDS.index(kind))


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_signals_leave_models_as_they_were_or_done(kind, alarm):
    trials(kind, 400, seed=100 + KINDS.index(kind))


def queued(seed):
    """A queue of three requests, two of them for the same row."""
    world = World("dense", seed)
    queue = ForgetQueue(world.model)
    for reference_, rows in (("a", [1, 2]), ("b", [2, 3]), ("c", [9])):
        queue.add(rows=rows, reference=reference_)
    return queue


def voted(seed):
    """A vote of two models of the same rows."""
    X, y = World("dense", seed).new(N)
    members = [(name, CertifiedLogReg(random_state=k)) for k, name in enumerate("ab")]
    return VotingClassifier(members).fit(X, y)


def everywhere(make, act, state, times, seed):
    """Interrupt ``act`` at instructions drawn alike among all: the state is the old or the new."""
    rng, seen = np.random.default_rng(seed), set()
    length, _ = traced(lambda: act(make()), 0)
    done = make()
    act(done)
    before, after = state(make()), state(done)
    assert before != after
    for at in rng.integers(1, length + 1, times).tolist():
        held = make()
        _, raised = traced(lambda held=held: act(held), at)
        assert state(held) in (before, after)
        seen.add((raised, state(held) == after))
        # And it goes on from there.
        if state(held) == before:
            act(held)
            assert state(held) == after
    assert (True, False) in seen


def queue_state(queue):
    receipts = [(r.reference, r.rows, r.gone) for r in queue.receipts]
    waiting = [r.reference for r in queue]
    return waiting, receipts, queue.model.n_forgotten_, queue.model.coef_.tolist()


def vote_state(vote):
    return [(m.n_forgotten_, m.coef_.tolist(), len(m.history_)) for m in vote.estimators_]


@pytest.mark.parametrize("times", [10, pytest.param(150, marks=pytest.mark.long)])
def test_a_removal_and_its_receipts_are_one_step(times, alarm):
    everywhere(lambda: queued(3), lambda q: q.run(), queue_state, times, 0)


@pytest.mark.parametrize("times", [6, pytest.param(100, marks=pytest.mark.long)])
def test_all_members_of_a_vote_forget_or_none(times, alarm):
    everywhere(lambda: voted(3), lambda v: forget_in(v, [4, 7]), vote_state, times, 0)


def test_a_mixture_that_is_interrupted_leaves_its_models_as_they_were(alarm):
    X, y = World("dense", 3).new(N)
    models = [CertifiedLogReg(C=C, random_state=1).fit(X, y).forget([3]) for C in (0.5, 2.0)]
    before = [(m.coef_.tobytes(), m.certificate_, len(m.history_)) for m in models]
    length, _ = traced(lambda: mix(models), 0)
    for at in np.linspace(1, length, 12).astype(int).tolist():
        traced(lambda: mix(models), at)
        assert before == [(m.coef_.tobytes(), m.certificate_, len(m.history_)) for m in models]
    assert mix(models[::-1]).coef_.shape == (1, D)


@pytest.mark.parametrize("verb", ["learn", "correct", "forget"])
def test_a_signal_between_a_donated_call_and_its_assignment(verb, monkeypatch):
    world = World("dense", 0)
    model, X, y = world.model, world.X, world.y
    act = {
        "learn": lambda: model.learn(X[:1], y[:1]),
        "correct": lambda: model.correct([5], X=X[:1], y=y[:1]),
        "forget": lambda: model.forget([5]),
    }[verb]
    real = DenseRows._write

    def hit(*args):
        out = real(*args)
        signal.raise_signal(signal.SIGINT)
        return out

    monkeypatch.setattr(DenseRows, "_write", hit)
    with pytest.raises(KeyboardInterrupt):
        act()
    monkeypatch.undo()
    if len(model.history_) == 1:
        act()
    model.forget([3]).learn(X[:1], y[:1]).release()
    assert pickled(model).forget([8]).n_retained_ == model.n_retained_ - 1


def test_a_long_verb_stops_at_the_next_pass(monkeypatch):
    world = World("dense", 0)
    before, real, passes = world.state(world.model), DenseRows.fold, []

    def hit(rows, *args):
        passes.append(1)
        if len(passes) == 2:
            signal.raise_signal(signal.SIGINT)
        return real(rows, *args)

    monkeypatch.setattr(DenseRows, "fold", hit)
    with pytest.raises(KeyboardInterrupt):
        world.model.fit(world.X * 3.0, world.y)
    assert len(passes) == 2 and world.state(world.model) == before
    passes.clear()
    monkeypatch.setattr(DenseRows, "fold", real)
    world.model.fit(world.X * 3.0, world.y)


def test_signals_wait_inside_and_come_at_a_checkpoint_or_after(alarm):
    armed.append(1)
    with pytest.raises(Interrupted):
        with deferred():
            with deferred():
                signal.raise_signal(signal.SIGALRM)
            reached = True
    assert reached and _interrupts._depth == 0
    armed.append(1)
    with pytest.raises(Interrupted), deferred():
        signal.raise_signal(signal.SIGALRM)
        checkpoint()
        raise AssertionError("not reached")
    # Without a handler that raises nothing is lost either.
    came = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: came.append(number))
    with deferred():
        signal.raise_signal(signal.SIGUSR1)
        assert came == []
        checkpoint()
        assert came == [signal.SIGUSR1]
        signal.raise_signal(signal.SIGUSR1)
        # A handler set inside stays.
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    assert len(came) == 2 and signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_on_the_way_into_or_out_of_a_block_is_not_lost(alarm):
    def block():
        with deferred():
            inside.append(1)

    inside = []
    length, _ = traced(block, 0)
    for at in range(1, length + 1):
        inside.clear()
        count, raised = traced(block, at)
        assert raised == (count >= at) and _interrupts._depth == 0 and not _interrupts._came
        # A handler that was left behind hands on.
        armed.append(1)
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGALRM)
        block()
        assert signal.getsignal(signal.SIGALRM) is not _interrupts._later

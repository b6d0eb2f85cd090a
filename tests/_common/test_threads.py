"""BLAS threads: fewer inside, as before outside.  Models: one verb at a time, releases whole."""

import copy
import pickle
import sys
import threading
import warnings

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

import certunlearn
from certunlearn import CertifiedLogReg, ForgetQueue, ForgettingPipeline, forget_in, mix
from certunlearn._common.threads import SMALL, blas_threads
from certunlearn.exceptions import SecretStateWarning


def threads():
    return {info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_one_thread_inside_and_what_was_before_outside():
    before = threads()
    with blas_threads(3):
        assert threads() == {1}
    with blas_threads(SMALL + 1):
        assert threads() == before
    assert threads() == before


def test_overlapping_users_leave_nothing_changed():
    before, entered, go = threads(), threading.Event(), threading.Event()

    def other():
        with blas_threads(3):
            entered.set()
            go.wait()

    thread = threading.Thread(target=other, daemon=True)
    with blas_threads(3):
        thread.start()
        entered.wait()
    go.set()
    thread.join()
    assert threads() == before


def test_a_fit_that_fails_gives_the_threads_back():
    before = threads()
    try:
        CertifiedLogReg(max_iter=1, tol=1e-15).fit(np.arange(12.0)[:, None] * 1e3, [0, 1] * 6)
    except Exception:
        pass
    assert threads() == before


# Models that several threads use

ESTIMATORS = [kind for name, kind in vars(certunlearn).items() if name.startswith("Certified")]


class Recorded:
    """Every release of a class of models, as the threads that may see it do."""

    def __init__(self, monkeypatch, kind, values):
        self.values, self.releases, real = values, set(), kind._become

        def become(model, draft):
            # Before anybody else can see it.
            self.releases.add(values(draft))
            real(model, draft)

        monkeypatch.setattr(kind, "_become", become)


def together(actions):
    """Carry actions out at once, each in a thread of its own; none may hang or raise."""
    ready, wrong = threading.Barrier(len(actions)), []

    def run(action):
        ready.wait()
        try:
            action()
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(a,), daemon=True) for a in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if wrong:
        raise wrong[0]


@pytest.fixture
def often():
    """Threads that change places all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        yield
    sys.setswitchinterval(before)


def data(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int)


def shown(model):
    """Coefficients and intercepts as margins show them, to be compared with those released."""
    Z = np.vstack([np.zeros(3), np.eye(3)])
    margins = model.decision_function(Z)
    return np.round(np.append(margins[1:] - margins[0], margins[0]), 9).tobytes()


def numbers(model):
    return np.round(np.append(model.coef_[0], model.intercept_), 9).tobytes()


def dumped(model, X):
    """A pickle, looked at: it is one moment of the model, rows and all."""
    other = pickle.loads(pickle.dumps(model))
    c, known = other.certificate_, other._fitted.model
    assert c.n_retained == other.n_retained_ == known.members.weights.kept
    assert c.n_forgotten == other.n_forgotten_ == int(known.forgotten.sum())
    assert len(other.history_) == known.requests.releases
    live = np.flatnonzero(known.members.weights.array > 0)
    np.testing.assert_array_equal(known.held(live)[0], X[live])
    return numbers(other), c.n_retained


def rounds(times, monkeypatch, seed=0):
    start = 3 * times + 40
    X, y = data(start + times, seed)
    model = CertifiedLogReg(random_state=0).fit(X[:start], y[:start])
    recorded = Recorded(monkeypatch, CertifiedLogReg, lambda m: (numbers(m), m.n_retained_))
    recorded.releases.add((numbers(model), model.n_retained_))
    seen = []
    for k in range(times):
        new = slice(start + k, start + k + 1)
        together(
            [
                lambda k=k: model.forget([2 * k]),
                lambda k=k: model.forget([2 * k + 1]),
                lambda new=new: model.learn(X[new], y[new]),
                model.release,
                lambda: seen.append(dumped(model, X)),
                lambda: seen.append((shown(model), None)),
                lambda: seen.append((numbers(model.export_predictor()), None)),
            ]
        )
        # Nothing is lost, and every release is counted.
        assert (model.n_forgotten_, model.n_retained_) == (2 * k + 2, start - k - 1)
        asked = model._fitted.model.requests
        assert len(model.history_) == asked.releases == 4 * k + 5
        # All count that come after the first removal, at most two in the first round do not.
        assert 4 * k + 2 <= asked.since_removal <= 4 * k + 4
        c, budget = model.certificate_, model._fitted.model.budget
        assert c.joint_epsilon == budget.joint_epsilon(asked.since_removal)
    counts = {numbers for numbers, _ in recorded.releases}
    for values, retained in seen:
        assert values in counts and (retained is None or (values, retained) in recorded.releases)
    live = np.flatnonzero(model._fitted.model.members.weights.array > 0)
    np.testing.assert_array_equal(live, np.arange(2 * times, start + times))


def test_verbs_and_readers_at_once_lose_nothing_and_mix_nothing(monkeypatch, often):
    rounds(12, monkeypatch)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_two_thousand_rounds_lose_nothing_and_mix_nothing(seed, often):
    for k in range(5):
        with pytest.MonkeyPatch.context() as monkeypatch:
            rounds(100, monkeypatch, 10 * seed + k)


def test_a_pipeline_is_read_as_one(monkeypatch, often):
    X, y = data(300)
    X = X * [1.0, 20.0, 300.0] + [0.0, 5.0, 1e3]
    head = CertifiedLogReg(random_state=0)
    pipe = ForgettingPipeline([("scale", StandardScaler()), ("model", head)]).fit(X, y)

    def joined(p):
        """The affine map that steps and head are together."""
        scale, last = p.steps[0][1], p.steps[1][1]
        coef = last.coef_[0] / scale.scale_
        return np.round(coef, 7).tobytes()

    recorded = Recorded(monkeypatch, ForgettingPipeline, joined)
    recorded.releases.add(joined(pipe))
    seen, stop = [], threading.Event()

    def read():
        Z = np.vstack([np.zeros(3), np.eye(3)])
        while not stop.is_set():
            margins = pipe.decision_function(Z)
            seen.append(np.round(margins[1:] - margins[0], 7).tobytes())
            seen.append(joined(pipe.export_predictor()))

    def write():
        try:
            for k in range(15):
                pipe.forget([k])
        finally:
            stop.set()

    together([write, read, read])
    assert len(set(seen)) > 1 and set(seen) <= recorded.releases


def test_another_fit_is_seen_whole(often):
    model, stop, seen = CertifiedLogReg(random_state=0), threading.Event(), []
    fits = []
    for d in (2, 5):
        X, y = data(80)
        fits.append((np.hstack([X, X])[:, :d], y))
    model.fit(*fits[0])

    def read():
        while not stop.is_set():
            out = model.export_predictor()
            assert out.coef_.shape[1] == out.n_features_in_
            seen.append(out.n_features_in_)

    def write():
        try:
            for k in range(30):
                model.fit(*fits[k % 2])
        finally:
            stop.set()

    together([write, read])
    assert set(seen) == {2, 5}


def test_nobody_waits_in_a_circle(often):
    X, y = data(400)
    models = [CertifiedLogReg(C=C).fit(X, y) for C in (0.5, 1.0, 2.0)]
    pipe = ForgettingPipeline([("s", StandardScaler()), ("m", CertifiedLogReg())]).fit(X, y)
    queues = [ForgetQueue(pipe), ForgetQueue(models[0]), ForgetQueue(models[0])]
    vote = VotingClassifier([("a", CertifiedLogReg()), ("b", CertifiedLogReg())]).fit(X, y)

    def tell(step, size):
        # From inside a verb the model may be read, and its queue asked.
        pipe.predict(X[:3])
        assert len(queues[0].rows) >= 0

    def asked(queue, k):
        queue.add([k], reference=f"r{k}")
        queue.run(progress=tell if queue is queues[0] else None)

    actions = [lambda order=order: mix([models[i] for i in order]) for order in ([1, 2], [2, 1])]
    actions += [models[1].release, models[2].release]
    actions += [lambda k=k: asked(queues[k % 3], 10 + k) for k in range(6)]
    actions += [lambda k=k: pipe.forget([50 + k]) for k in range(2)]
    actions += [lambda k=k: forget_in(vote, [70 + k]) for k in range(2)]
    actions += [lambda: pipe.neighbours([5]), lambda: copy.copy(queues[0]), pipe.head.release]
    together(actions)
    assert pipe.n_forgotten_ == 4 and models[0].n_forgotten_ == 4
    assert [m.n_forgotten_ for m in vote.estimators_] == [2, 2]


def test_predictions_wait_for_no_verb():
    X, y = data(100)
    model = CertifiedLogReg().fit(X, y)
    inside, go = threading.Event(), threading.Event()

    def tell(step, size):
        inside.set()
        assert go.wait(60)

    before = model.predict_proba(X)
    thread = threading.Thread(target=lambda: model.fit(X * 2.0, y, progress=tell), daemon=True)
    thread.start()
    assert inside.wait(60)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.export_predictor().coef_.tobytes() == model.coef_.tobytes()
    go.set()
    thread.join(60)
    assert not np.array_equal(model.predict_proba(X), before)


def test_attributes_of_one_release_are_had_together(monkeypatch, often):
    X, y = data(300)
    model = CertifiedLogReg(random_state=0).fit(X, y)
    pipe = ForgettingPipeline([("s", StandardScaler()), ("m", CertifiedLogReg())]).fit(X, y)
    recorded = Recorded(monkeypatch, CertifiedLogReg, pair)
    recorded.releases |= {pair(model), pair(pipe.head)}
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            seen.append(pair(model.snapshot()))
            one = pipe.snapshot()
            assert one.certificate_.n_retained == one.n_retained_
            seen.append(pair(one))

    def write():
        try:
            for k in range(20):
                model.forget([k])
                pipe.forget([k])
        finally:
            stop.set()

    together([write, read])
    assert len(set(seen)) > 2 and set(seen) <= recorded.releases


def pair(model):
    return model.coef_.tobytes(), model.certificate_.n_retained, len(model.history_)


#: Public members that touch nothing a verb changes, or one attribute alone.
FREE = {
    # It makes a model of its own.
    "from_state",
    "head",
    "get_metadata_routing",
    "history_",
    "n_retained_",
    "n_forgotten_",
    "now",
    "due",
    "overdue",
    "from_json",
}


@pytest.mark.parametrize("kind", [*ESTIMATORS, ForgettingPipeline, ForgetQueue])
def test_every_public_member_says_how_it_is_kept_whole(kind):
    """Verbs take `verb`, what looks at rows `serialised`, what looks at a release `reader`."""
    seen = 0
    for cls in kind.__mro__:
        if not cls.__module__.startswith("certunlearn"):
            continue
        for name, member in vars(cls).items():
            if name.startswith("_") or name in FREE or not callable(function(member)):
                continue
            if getattr(member, "__isabstractmethod__", False):
                continue
            assert hasattr(function(member), "whole"), f"{cls.__name__}.{name}"
            seen += 1
    assert seen >= 6


def function(member):
    """The function behind a method, a property or a method that is there at times."""
    member = getattr(member, "fget", member)
    return getattr(member, "fn", getattr(member, "__func__", member))

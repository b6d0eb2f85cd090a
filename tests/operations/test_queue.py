"""Many requests, one removal: nothing is lost, nobody is blocked, and a refusal changes nothing."""

import json
import pickle
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from certunlearn import CertifiedLogReg, CertifiedMinNorm, ForgetQueue, ForgettingPipeline
from certunlearn.audit import same_noise
from certunlearn.exceptions import (
    AlreadyForgottenError,
    AmbiguousRowError,
    AssumptionError,
    BatchRefusedError,
    ConfirmationNeededError,
    NotCertifiedError,
    RowError,
    SecretStateWarning,
    UnknownRowError,
)
from certunlearn.numerics.rows.dense import DenseRows
from certunlearn.operations.receipt import Receipt

N, D = 240, 4
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, D))
Y = (X[:, 0] + RNG.normal(size=N) > 0).astype(int)
IDS = [f"person {i}" for i in range(N)]
USERS = [f"user {i // 4}" for i in range(N)]
TABLE = pd.DataFrame({"country": np.where(np.arange(N) % 40 == 7, "FR", "DE")})
MONTH = timedelta(days=28)


class Clock:
    """A time that passes when told to."""

    def __init__(self):
        self.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self):
        return self.time

    def passes(self, **span):
        self.time += timedelta(**span)


def fitted(**params):
    model = CertifiedLogReg(**{"random_state": 3, **params})
    return model.fit(X, Y, row_ids=IDS, groups=USERS, metadata=TABLE)


def queued(model=None, **settings):
    clock = Clock()
    return ForgetQueue(fitted() if model is None else model, now=clock, **settings), clock


def held(queue):
    """What a refusal must leave as it was."""
    model = getattr(queue.model, "head", queue.model)
    attributes = {k: v for k, v in vars(model).items() if k != "history_"}
    return list(queue), attributes, len(model.history_)


def unchanged(before, queue):
    requests, attributes, entries = held(queue)
    assert requests == before[0] and entries == before[2]
    assert attributes.keys() == before[1].keys()
    assert all(attributes[k] is v for k, v in before[1].items())


def test_a_batch_is_one_removal_with_the_receipts_of_all():
    queue, clock = queued(within=MONTH)
    queue.add(row_ids="person 5", reference="a")
    clock.passes(hours=2)
    queue.add(groups=["user 1", "user 2"], reference="b")
    queue.add(rows=[5, 100], reference="c", received=datetime(2026, 3, 1, tzinfo=UTC))
    assert repr(queue) == "ForgetQueue(3 requests, 9 rows, first deadline 2026-03-29 00:00+00:00)"
    clock.passes(days=2)
    receipts = queue.run()
    twin = fitted().forget(rows=[4, 5, 6, 7, 8, 9, 10, 11, 100])
    np.testing.assert_array_equal(queue.model.coef_, twin.coef_)
    assert [e["event"] for e in queue.model.history_] == ["fit", "forget"]
    assert [r.reference for r in receipts] == ["a", "b", "c"]
    assert [r.rows for r in receipts] == [(5,), (4, 5, 6, 7, 8, 9, 10, 11), (5, 100)]
    assert all(r.gone == () and r.done == clock.time and not r.late for r in receipts)
    assert receipts[0].received == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert receipts[2].deadline == datetime(2026, 3, 29, tzinfo=UTC)
    # What is handed out says nothing that depends on the rows.
    assert all(r.certificate == queue.model.certificate_.public() for r in receipts)
    assert receipts[0].certificate.check(1.0, 1e-6, allow_seeded=True)
    assert receipts[0].certificate.matches(queue.model) and receipts[0].certificate.tier is None
    assert str(receipts[1]).startswith("b: 8 rows removed; received 2026-03-02 11:00")
    assert len(queue) == 0 and queue.run() == () and len(queue.model.history_) == 2


def test_the_batch_is_retraining_without_all_of_them():
    queue, _ = queued(fitted(noise=0))
    queue.add(groups="user 9", reference="a")
    queue.add(where="country == 'FR'", reference="b")
    queue.run()
    gone = np.union1d(np.arange(36, 40), np.arange(7, N, 40))
    kept = np.setdiff1d(np.arange(N), gone)
    reference = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X[kept], Y[kept])
    np.testing.assert_allclose(queue.model.coef_, reference.coef_, atol=1e-8)
    assert queue.model.n_retained_ == len(kept)


def test_fewer_releases_are_what_a_batch_buys():
    queue, _ = queued(fitted(view="release"))
    twin = fitted(view="release")
    for i in range(12):
        queue.add(rows=[i], reference=str(i))
        twin.forget(rows=[i])
    queue.run()
    one, many = queue.model.certificate_, twin.certificate_
    assert one.epsilon == many.epsilon == 1.0 and one.n_retained == many.n_retained
    assert one.joint_epsilon == pytest.approx(1.0) and many.joint_epsilon > 2.0


@pytest.mark.parametrize(
    "named, error",
    [
        (dict(row_ids="nobody"), UnknownRowError),
        (dict(groups="user 99"), UnknownRowError),
        (dict(rows=[N]), UnknownRowError),
        (dict(rows=[3]), AlreadyForgottenError),
        (dict(rows=[1, 1]), RowError),
        (dict(rows=[]), RowError),
        (dict(where="country =="), RowError),
        (dict(), RowError),
        (dict(rows=[8], reference="a"), RowError),
        (dict(rows=[8], reference=" "), RowError),
        (dict(rows=[8], reference=7), RowError),
        (dict(rows=[8], received=datetime(2026, 1, 1)), ValueError),
        (dict(rows=[8], within=timedelta(days=-1)), ValueError),
        (dict(rows=[8], within=3), ValueError),
    ],
)
def test_a_bad_request_is_refused_when_it_comes_in(named, error):
    queue, _ = queued(fitted().forget(rows=[3]))
    queue.add(rows=[4], reference="a")
    before = held(queue)
    with pytest.raises(error) as caught:
        queue.add(**{"reference": "b", **named})
    assert type(caught.value) is error
    unchanged(before, queue)


def test_plain_integers_are_as_ambiguous_as_in_forget():
    frame = pd.DataFrame(X, index=np.arange(N) + 7)
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(frame, Y))
    with pytest.raises(AmbiguousRowError):
        queue.add([8], reference="a")
    assert queue.add(frame.index[[1]], reference="a").rows.tolist() == [1]
    assert queue.add(pd.Series(np.arange(N) < 2, frame.index), reference="b").kind == "rows"
    assert [len(r.rows) for r in queue.run()] == [1, 2]


def test_rows_learnt_for_a_group_or_a_condition_go_as_well():
    queue, _ = queued()
    queue.add(groups="user 1", reference="group")
    queue.add(where=lambda t: t["country"] == "FR", reference="condition")
    queue.add(rows=[0], reference="row")
    extra = pd.DataFrame({"country": ["DE", "FR", "DE"]})
    queue.model.learn(
        X[:3], Y[:3], row_ids=["x", "y", "z"], groups=["user 1", "new", "new"], metadata=extra
    )
    group, condition, row = queue.run()
    assert group.rows == (4, 5, 6, 7, N)
    assert condition.rows == (7, 47, 87, 127, 167, 207, N + 1) and row.rows == (0,)


def test_what_has_been_forgotten_by_other_means_blocks_nobody():
    queue, _ = queued()
    queue.add(row_ids="person 4", reference="gone")
    queue.add(groups="user 1", reference="partly")
    queue.add(groups="user 2", reference="group gone")
    queue.add(where="country == 'FR'", reference="condition gone")
    queue.add(rows=[50], reference="still there")
    french = np.arange(7, N, 40)
    queue.model.forget(rows=[4, *range(8, 12), *french])
    assert queue.rows.tolist() == [5, 6, 50]
    gone, partly, group, condition, there = queue.run()
    assert gone.rows == () and gone.gone == (4,)
    assert partly.rows == (5, 6) and partly.gone == (4, 7)
    assert group.rows == () and group.gone == (8, 9, 10, 11)
    assert condition.rows == () and condition.gone == tuple(french)
    assert there.rows == (50,) and queue.model.n_forgotten_ == 14
    assert "1 row forgotten before" in str(gone)
    # Nothing left to do is no reason to release again.
    queue.add(rows=[60], reference="again")
    queue.model.forget(rows=[60])
    entries = len(queue.model.history_)
    (receipt,) = queue.run()
    assert receipt.gone == (60,) and len(queue.model.history_) == entries
    assert receipt.certificate == queue.model.certificate_.public()


def test_the_request_that_cannot_go_is_named_and_the_others_can():
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(X, Y))
    zeros = np.flatnonzero(Y == 0)
    queue.add(rows=zeros[:50], reference="a")
    queue.add(rows=np.flatnonzero(Y == 1)[:3], reference="b")
    queue.add(rows=zeros[50:], reference="the rest")
    queue.add(rows=np.flatnonzero(Y == 1)[5:7], reference="c")
    before = held(queue)
    with pytest.raises(BatchRefusedError, match="'the rest' .* the 2 requests before it") as caught:
        queue.run(confirm=True)
    assert caught.value.reference == "the rest"
    assert isinstance(caught.value.__cause__, AssumptionError)
    unchanged(before, queue)
    assert queue.withdraw("the rest").reference == "the rest"
    assert [r.reference for r in queue.run()] == ["a", "b", "c"]
    with pytest.raises(UnknownRowError, match="no request with reference 'the rest' waits"):
        queue.withdraw("the rest")


def test_a_refused_run_has_used_up_no_noise():
    queue, _ = queued()
    twin = fitted()
    queue.add(rows=[1, 2], reference="a")
    queue.add(groups="user 9", reference="b")
    learn = dict(row_ids=["x"], groups=["user 9"], metadata=TABLE[:1], static=[True])
    for model in (queue.model, twin):
        model.learn(X[:1], Y[:1], **learn)
    before = held(queue)
    with pytest.raises(BatchRefusedError, match="static") as caught:
        queue.run()
    assert caught.value.reference == "b"
    unchanged(before, queue)
    queue.withdraw("b")
    queue.run()
    np.testing.assert_array_equal(queue.model.coef_, twin.forget(rows=[1, 2]).coef_)


def test_a_condition_that_fails_at_the_run_is_named():
    def once(table, calls=[]):  # noqa: B006
        calls.append(1)
        return np.asarray(table["country"] == "FR") if len(calls) == 1 else np.zeros(3)

    queue, _ = queued()
    queue.add(rows=[1], reference="a")
    queue.add(where=once, reference="odd")
    before = held(queue)
    with pytest.raises(BatchRefusedError, match="'odd' cannot be looked up: where must") as caught:
        queue.run()
    assert caught.value.reference == "odd"
    unchanged(before, queue)


def test_what_cannot_be_certified_is_named():
    A = X.copy()
    A[:, 2] = 0.0
    A[[7, 8, 9, 10], 2] = [1.0, -2.0, -1.5, 1.0]
    y = Y.copy()
    y[[7, 8, 9, 10]] = [0, 1, 0, 1]
    queue, _ = queued(CertifiedLogReg(C=np.inf, noise=0.5, random_state=3).fit(A, y))
    queue.add(rows=[20], reference="a")
    queue.add(rows=[7, 8, 9, 10], reference="b")
    before = held(queue)
    with pytest.raises(BatchRefusedError, match="lower C") as caught:
        queue.run()
    assert caught.value.reference == "b"
    assert isinstance(caught.value.__cause__, NotCertifiedError)
    unchanged(before, queue)


def test_an_error_after_the_removal_loses_no_request(monkeypatch):
    queue, _ = queued()
    queue.add(rows=[1, 2], reference="a")
    queue.add(groups="user 9", reference="b")

    def stop(*args):
        raise MemoryError

    monkeypatch.setattr(DenseRows, "_write", stop)
    with pytest.raises(MemoryError):
        queue.run()
    monkeypatch.undo()
    # The removal had been taken over; only the overwriting was still to be done.
    assert queue.model.n_forgotten_ == 6 and len(queue) == 2
    a, b = queue.run()
    assert queue.model.n_forgotten_ == 6 and len(queue.model.history_) == 2
    assert (a.rows, a.gone, b.rows, b.gone) == ((), (1, 2), (), (36, 37, 38, 39))


def test_an_interrupt_while_receipts_are_written_loses_none(monkeypatch):
    queue, _ = queued()
    queue.add(rows=[1, 2], reference="a")

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(Receipt, "of", stop)
    with pytest.raises(KeyboardInterrupt):
        queue.run()
    monkeypatch.undo()
    # The removal and its receipts are one step.
    assert queue.model.n_forgotten_ == 0 and len(queue) == 1 and queue.receipts == ()
    (a,) = queue.run()
    assert (a.rows, a.gone) == ((1, 2), ()) and queue.receipts == (a,)


def test_requests_that_come_while_a_batch_is_carried_out_wait_for_the_next():
    queue, clock = queued()
    queue.add(rows=[1], reference="a")
    late, calls = [], []

    def now():
        calls.append(1)
        if len(calls) == 2:
            late.append(queue.add(rows=[2], reference="b", received=clock()))
        return clock()

    queue._clock = now
    queue.run()
    assert late and list(queue) == late


def test_deadlines_count_the_time_that_passes_and_not_the_clock_on_the_wall():
    zone, hour = ZoneInfo("Europe/Berlin"), timedelta(hours=1)
    # Clocks are set back from three to two in this night.
    start = datetime(2025, 10, 26, 2, 30, tzinfo=zone)
    clock = Clock()
    clock.time = start
    queue = ForgetQueue(fitted(), within=hour, now=clock)
    request = queue.add(rows=[1], reference="a")
    assert request.deadline == datetime(2025, 10, 26, 1, 30, tzinfo=UTC)
    assert list(restored(queue, queue.model)) == [request]
    clock.time = datetime(2025, 10, 26, 2, 29, tzinfo=zone, fold=1)
    assert not queue.overdue and queue.due(timedelta(minutes=1)) == (request,)
    clock.time = datetime(2025, 10, 26, 2, 31, tzinfo=zone, fold=1)
    assert queue.overdue == (request,)
    assert queue.run()[0].late


def test_a_batch_that_takes_very_much_asks():
    queue, _ = queued()
    queue.add(rows=np.arange(100), reference="a")
    queue.add(rows=np.arange(60, 130), reference="b")
    queue.add(rows=[200], reference="c")
    before = held(queue)
    with pytest.raises(
        ConfirmationNeededError, match="takes 55% of the training set .from request 'b' on."
    ):
        queue.run()
    unchanged(before, queue)
    assert len(queue.run(confirm=True)) == 3 and queue.model.n_retained_ == 109


def test_look_alikes_are_taken_along():
    A = X.copy()
    A[200:203] = A[0]
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(A, Y))
    queue.add([0], reference="a")
    queue.add([9], reference="b")
    assert [r.rows for r in queue.run(expand="near")] == [(0,), (9,)]
    assert queue.model.n_forgotten_ == 5
    # Where they alone make the batch large, no request is to blame.
    A[:150] = A[0]
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(A, Y))
    queue.add([0], reference="a")
    before = held(queue)
    with pytest.raises(ConfirmationNeededError, match="takes 64%") as caught:
        queue.run(expand="near")
    assert "'a'" not in str(caught.value)
    unchanged(before, queue)


def test_deadlines_and_sizes_make_it_ready():
    queue, clock = queued(within=MONTH, lead=timedelta(days=2), size=6)
    assert not queue.ready and queue.due(MONTH) == ()
    queue.add(rows=[0, 1], reference="a")
    clock.passes(days=20)
    queue.add(rows=[1, 2], reference="b", within=timedelta(days=7))
    queue.add(rows=[3], reference="c")
    assert not queue.ready and not queue.overdue
    assert [r.reference for r in queue.due(timedelta(days=8))] == ["a", "b"]
    clock.passes(days=4)
    assert not queue.ready
    queue.add(rows=[0, 4, 5], reference="d")
    assert queue.ready and len(queue.rows) == 6
    queue.withdraw("d")
    assert not queue.ready
    clock.passes(days=1)
    assert queue.ready and not queue.overdue
    clock.passes(days=2)
    assert [r.reference for r in queue.overdue] == ["b"]
    clock.passes(seconds=1)
    receipts = queue.run()
    assert [r.late for r in receipts] == [False, True, False] and "LATE" in str(receipts[1])
    assert not queue.ready


def test_capacity_makes_it_ready():
    queue, _ = queued(fitted(noise=1.0, view="release"), size="capacity")
    fits = queue.model.capacity()
    assert 1 < fits < 100 and not queue.ready
    queue.add(rows=np.arange(fits - 1), reference="a")
    assert not queue.ready
    queue.add(rows=[fits], reference="b")
    assert queue.ready
    # Where every removal makes a pass there is nothing to be in time for.
    slow, _ = queued(fitted(solver="newton-cg"), size="capacity")
    slow.add(rows=[1], reference="a")
    assert slow.model.capacity() == 0 and not slow.ready


@pytest.mark.parametrize(
    "settings",
    [
        dict(within=3),
        dict(within=timedelta(days=-1)),
        dict(lead=None),
        dict(size=0),
        dict(size="many"),
        dict(size=2.5),
    ],
)
def test_settings_are_checked(settings):
    with pytest.raises(ValueError):
        ForgetQueue(fitted(), **settings)


def test_a_model_that_can_forget_and_a_time_with_a_zone_are_needed():
    with pytest.raises(TypeError, match="LogisticRegression"):
        ForgetQueue(LogisticRegression().fit(X, Y))
    wide = CertifiedMinNorm(random_state=0).fit(X[:3], Y[:3])
    with pytest.raises(AssumptionError, match="previews"):
        ForgetQueue(wide, size="capacity")
    queue = ForgetQueue(fitted(), now=lambda: datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="time zone"):
        queue.add(rows=[1], reference="a")
    assert ForgetQueue(fitted()).now().tzinfo is not None


def restored(queue, model, **more):
    return ForgetQueue.from_json(queue.to_json(), model, now=queue._clock, **more)


def test_requests_outlive_the_process():
    queue, _ = queued(within=MONTH)
    queue.add(row_ids=["person 3", "person 9"], reference="a")
    queue.add(groups="user 5", reference="b")
    queue.add(where="country == 'FR'", reference="c")
    east = timezone(timedelta(hours=9))
    queue.add(rows=[70], reference="d", received=datetime(2026, 2, 3, 4, 5, 6, 789, east))
    with pytest.warns(SecretStateWarning):
        model = pickle.loads(pickle.dumps(queue.model))
    again = restored(queue, model)
    assert list(again) == list(queue) and again.to_json() == queue.to_json()
    assert [r.rows.tolist() for r in again] == [r.rows.tolist() for r in queue]
    assert not {"coef", "features", "X"} & set(json.loads(queue.to_json()))
    assert [r.rows for r in again.run()] == [r.rows for r in queue.run()]
    np.testing.assert_array_equal(model.coef_, queue.model.coef_)


def test_names_hold_in_another_fit_and_positions_do_not():
    queue, _ = queued()
    queue.add(row_ids="person 9", reference="a")
    queue.add(groups="user 5", reference="b")
    text, order = queue.to_json(), np.arange(N)[::-1]
    other = CertifiedLogReg(random_state=3).fit(
        X[order], Y[order], row_ids=[IDS[i] for i in order], groups=[USERS[i] for i in order]
    )
    a, b = ForgetQueue.from_json(text, other).run()
    assert a.rows == (N - 1 - 9,) and b.rows == tuple(sorted(N - 1 - i for i in range(20, 24)))
    queue.add(rows=[3], reference="c")
    fresh = fitted()
    with pytest.raises(RowError, match="'c' names positions in another fit.*same_rows"):
        restored(queue, fresh)
    assert restored(queue, fresh, same_rows=True).rows.tolist() == queue.rows.tolist()
    with pytest.raises(RowError):
        # The queue's own model, fitted anew, means others by its positions.
        queue.model.fit(X[order], Y[order])
        queue.run()
    with pytest.raises(RowError, match="fitted anew"):
        queue.add(rows=[5], reference="e")
    assert "3 requests" in repr(queue) and '"rows": [3]' in queue.to_json()
    with pytest.raises(RowError, match="names positions in another fit"):
        restored(ForgetQueue.from_json(only(queue, "c"), fresh, same_rows=True), queue.model)


def only(queue, reference):
    values = json.loads(queue.to_json())
    values["requests"] = [r for r in values["requests"] if r["reference"] == reference]
    return json.dumps(values)


def test_what_was_carried_out_before_the_process_died_is_told():
    queue, _ = queued()
    queue.add(row_ids="person 9", reference="a")
    queue.add(groups="user 5", reference="b")
    text = queue.to_json()
    queue.run()
    again = ForgetQueue.from_json(text, queue.model)
    a, b = again.run()
    assert (a.rows, a.gone, b.rows, b.gone) == ((), (9,), (), (20, 21, 22, 23))
    assert len(queue.model.history_) == 2


def test_what_json_would_not_give_back_is_refused():
    ids = [(i, "x") for i in range(N)]
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(X, Y, row_ids=ids, metadata=TABLE))
    queue.add(row_ids=[(4, "x")], reference="tuple")
    with pytest.raises(RowError, match=r"'tuple' cannot be written as JSON.*\(4, 'x'\)"):
        queue.to_json()
    queue.withdraw("tuple")
    queue.add(where=lambda t: t["country"] == "FR", reference="function")
    with pytest.raises(RowError, match="'function' cannot"):
        queue.to_json()
    # As an item of numpy it is the number that is another row's name.
    times = [*IDS[:-2], np.datetime64("2020-01-01", "ns"), 1577836800000000000]
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(X, Y, row_ids=times))
    assert queue.add(row_ids=[times[-2]], reference="time").rows.tolist() == [N - 2]
    with pytest.raises(RowError, match="'time' cannot be written as JSON"):
        queue.to_json()
    integers = pd.DataFrame(X, index=np.arange(N) * 2)
    queue, _ = queued(CertifiedLogReg(random_state=3).fit(integers, Y))
    queue.add(integers.index[[4]], reference="numpy")
    assert restored(queue, queue.model).rows.tolist() == [4]


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[" * 100_000,
        '{"version": 2}',
        '{"version": 1, "fit": "", "requests": 3}',
        '{"version": 1, "fit": "", "requests": [3]}',
        '{"version": 1, "fit": "", "requests": [{"reference": "a", "rows": [1]}]}',
        '{"version": 1, "fit": "", "requests": [{"reference": "a", "received": 3, '
        '"deadline": null, "groups": ["user 1"]}]}',
        '{"version": 1, "fit": "", "requests": [{"reference": "a", "received": "2026-01-01", '
        '"deadline": null, "groups": ["user 1"]}]}',
        '{"version": 1, "fit": "", "requests": [{"reference": "a", "received": '
        '"2026-01-01T00:00+00:00", "deadline": null, "groups": "user 1"}]}',
    ],
)
def test_other_texts_are_no_queue(text):
    with pytest.raises(ValueError):
        ForgetQueue.from_json(text, fitted())


def test_a_pipeline_forgets_with_its_steps():
    steps = [("scale", StandardScaler()), ("model", CertifiedLogReg(random_state=0))]
    pipe = ForgettingPipeline(steps).fit(X, Y, row_ids=IDS, groups=USERS)
    queue, _ = queued(pipe)
    queue.add(groups="user 3", reference="a")
    queue.add(row_ids="person 99", reference="b")
    a, b = queue.run()
    kept = np.setdiff1d(np.arange(N), [12, 13, 14, 15, 99])
    np.testing.assert_allclose(pipe["scale"].mean_, X[kept].mean(axis=0), rtol=1e-12)
    assert a.certificate == pipe.certificate_.public() and "pipeline" in b.certificate.reference
    queue.add(rows=np.setdiff1d(np.flatnonzero(Y == 0), [12, 13, 14, 15, 99]), reference="all 0")
    before = queue.model.certificate_, list(queue), list(pipe.steps)
    with pytest.raises(BatchRefusedError, match="1 class") as caught:
        queue.run()
    assert caught.value.reference == "all 0"
    assert (queue.model.certificate_, list(queue), list(pipe.steps)) == before
    queue.withdraw("all 0")
    queue.add(rows=[30], reference="c")
    pipe.head.forget(rows=[31])
    with pytest.raises(BatchRefusedError, match="without the pipeline") as caught:
        queue.run()
    assert caught.value.reference is None and len(queue) == 1


def test_what_is_shown_is_escaped_and_a_pickle_warns():
    queue, _ = queued(within=MONTH)
    queue.add(rows=[1], reference="<b>Eve</b>\u202e")
    html = queue._repr_html_()
    assert html.startswith("<table><caption>ForgetQueue(1 request, 1 row, first deadline")
    assert "<b>" not in html and "&lt;b&gt;Eve" in html and "\u202e" not in html
    clockless = ForgetQueue(queue.model)
    clockless.add(rows=[1], reference="a")
    with pytest.warns(SecretStateWarning):
        again = pickle.loads(pickle.dumps(clockless))
    assert [r.rows for r in again.run()] == [(1,)]


def test_some_runs_are_audited_and_what_was_found_is_kept():
    X, y = load_breast_cancer(return_X_y=True)
    model = CertifiedLogReg().fit(X / 100, y)
    # The noise of a seed, so that chance has no say in whether this passes.
    with same_noise(1):
        queue = ForgetQueue(model, audit_rate=1.0)
        assert queue.self_audit.looks == 0 and queue.run() == ()
        for case in range(3):
            queue.add([case, case + 10], reference=f"case {case}")
            (receipt,) = queue.run()
            assert receipt.reference == f"case {case}" and queue.self_audit.looks == case + 1
    assert queue.self_audit.requests == 3 and queue.self_audit.finding().passed
    entry = model.history_[-1]
    assert entry["event"] == "forget" and 0 < entry["true_over_certified"] <= 1
    # One that takes rows which have gone makes no release to look at.
    queue.add([30], reference="case 4")
    model.forget([30])
    queue.run()
    assert queue.self_audit.looks == 3
    assert ForgetQueue(model).self_audit is None
    read = ForgetQueue.from_json(queue.to_json(), model, audit_rate=0.5)
    assert read.self_audit.rate == 0.5


def test_a_run_that_raises_leaves_what_was_found_as_it_was(monkeypatch):
    X, y = load_breast_cancer(return_X_y=True)
    queue = ForgetQueue(CertifiedLogReg().fit(X / 100, y), audit_rate=1.0)
    queue.add(np.flatnonzero(y == 0)[:-1], reference="case 1")
    with pytest.raises(ConfirmationNeededError):
        queue.run()
    assert queue.self_audit.requests == 0 and len(queue) == 1
    with pytest.raises(AssumptionError, match="nothing is claimed"):
        ForgetQueue(CertifiedLogReg(noise=0).fit(X / 100, y), audit_rate=0.1)
    with pytest.raises(ValueError, match="audit_rate"):
        ForgetQueue(queue.model, audit_rate=2.0)

"""Where rows lie: positions never shift, places do; and what grows by runs."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from certunlearn._common.arrays import Place, Position
from certunlearn.requests.labels import Labels
from certunlearn.requests.layout import Layout
from certunlearn.requests.metadata import Metadata
from certunlearn.requests.runs import followed_by


def test_runs_are_few_and_nothing_is_joined_often():
    runs, before, joins = (), [], 0

    def joined(a, b):
        nonlocal joins
        joins += len(a) + len(b)
        return a + b

    rng, n = np.random.default_rng(0), 0
    for _ in range(2000):
        more = list(range(n, n := n + int(rng.integers(1, 5))))
        before.append((runs, [len(r) for r in runs]))
        runs = followed_by(runs, more, joined)
        assert sum(runs, []) == list(range(n))
        assert all(len(a) > 2 * len(b) for a, b in zip(runs, runs[1:], strict=False))
        assert len(runs) <= np.log2(n) + 1
    # Whoever holds the runs of before still has them.
    assert all([len(r) for r in held] == sizes for held, sizes in before)
    assert joins <= 3 * n * np.log2(n)


@pytest.mark.parametrize("seed", range(6))
def test_a_layout_is_a_list_of_the_rows_at_every_place(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 40))
    places, layout, ever = list(range(n)), Layout.of(np.arange(n)), n
    for _ in range(60):
        kind = rng.choice(["learn", "correct", "close up"], p=[0.5, 0.4, 0.1])
        live = [p for p in places if p >= 0]
        if kind == "learn":
            m = int(rng.integers(1, 5))
            new = np.arange(ever, ever + m)
            ever += m
        elif kind == "correct":
            new = rng.permutation(live)[: int(rng.integers(1, 4))]
        else:
            keep = np.array([p >= 0 and rng.random() < 0.8 for p in places])
            if not keep.any():
                continue
            layout = Layout.of(layout.positions(Place(np.flatnonzero(keep))))
            places = [p for p, kept in zip(places, keep, strict=True) if kept]
            new = np.zeros(0, dtype=np.int64)
        if len(new):
            places = [-1 if p in new else p for p in places] + new.tolist()
            layout = layout.followed(Position(new))
        if rng.random() < 0.2:
            layout = pickle.loads(pickle.dumps(layout))
        assert len(layout) == len(places)
        assert layout.positions(Place(np.arange(len(places)))).tolist() == places
        some = rng.permutation(len(places))[:5]
        assert layout.positions(Place(some)).tolist() == [places[k] for k in some]
        where = layout.places(Position(np.arange(ever)))
        assert where.tolist() == [places.index(p) if p in places else -1 for p in range(ever)]


@pytest.mark.parametrize("seed", range(6))
def test_labels_find_what_a_list_finds(seed):
    """Learnt in batches, forgotten, dropped, copied: the same as if all rows were searched."""
    rng = np.random.default_rng(seed)
    kinds = [lambda k: f"row {k}", lambda k: int(k), lambda k: (True, int(k)), lambda k: k % 7 == 0]
    called = kinds[seed % len(kinds)]
    held = [called(rng.integers(30)) for _ in range(20)]
    labels, gone = Labels(held), set()
    for _ in range(50):
        kind = rng.choice(["learn", "forget", "drop", "copy"])
        if kind == "learn":
            more = [called(rng.integers(30)) for _ in range(int(rng.integers(1, 6)))]
            vain = labels.extended([called(99)])
            labels, held = labels.extended(more), held + more
            assert labels.live(called(99)) == [] or seed % 4 == 3
            assert vain.n == labels.n - len(more) + 1
        elif kind == "forget":
            at = rng.permutation(len(held))[:2]
            labels.forget(at)
            gone |= set(at.tolist())
        elif kind == "drop":
            labels = labels.condensed()
            assert sum(len(run.positions) for run in labels._runs) == len(held) - len(gone)
        else:
            labels = rng.choice([copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])(labels)
        for label in {called(k) for k in range(32)}:
            same = [p for p, v in enumerate(held) if v == label]
            assert labels.live(label) == [p for p in same if p not in gone]
            assert sorted(labels.gone(label)) == [p for p in same if p in gone]
        seen = labels.at(Position(np.arange(len(held))))
        assert all((p in gone) or seen[p] == held[p] for p in range(len(held)))
        assert all(held[p] not in [seen[p]] for p in gone)
        assert labels.match(held)


COLUMNS = {
    "number": lambda k: pd.Series(7000.0 + k),
    "whole": lambda k: pd.Series(7000 + k),
    "masked": lambda k: pd.Series(7000 + k, dtype="Int64"),
    "text": lambda k: pd.Series([f"secret {i}" for i in k]),
    "string": lambda k: pd.Series([f"secret {i}" for i in k], dtype="string"),
    "object": lambda k: pd.Series([f"secret {i}" for i in k], dtype=object),
    "category": lambda k: pd.Series(pd.Categorical([f"secret {i}" for i in k])),
    "truth": lambda k: pd.Series(k % 2 == 0, dtype="boolean"),
    "day": lambda k: pd.Series(pd.Timestamp("2020-01-01") + pd.to_timedelta(k, unit="D")),
    "zoned": lambda k: pd.Series(
        pd.Timestamp("2020-01-01", tz="Europe/Berlin") + pd.to_timedelta(k, unit="D")
    ),
    "month": lambda k: pd.Series(pd.PeriodIndex([f"{1900 + i}-01" for i in k], freq="M")),
    "interval": lambda k: pd.Series(pd.arrays.IntervalArray.from_breaks([*k, k[-1] + 1])),
}


def table(k):
    return pd.DataFrame({name: column(np.asarray(k)) for name, column in COLUMNS.items()})


@pytest.mark.parametrize("seed", range(3))
def test_a_table_is_what_is_left_of_all_lines(seed):
    """Every kind of column, learnt in batches and forgotten: as one table with lines dropped."""
    rng = np.random.default_rng(seed)
    truth = table(range(30))
    held = Metadata.of(truth, 30)
    given, ever = truth.copy(), 30
    for _ in range(25):
        kind = rng.choice(["learn", "forget", "drop", "copy"])
        if kind == "learn":
            more = table(range(ever, ever + int(rng.integers(1, 4))))
            held = held.extended(Metadata.of(more, len(more), ever))
            more.index = range(ever, ever + len(more))
            truth, ever = pd.concat([truth, more]), ever + len(more)
        elif kind == "forget":
            gone = truth.index[rng.permutation(len(truth) - 1)[:3]].to_numpy()
            if rng.random() < 0.3:
                # All of a batch that came: none is longer.
                gone = truth.index[-3:].to_numpy()
            held.forget(gone)
            held.forget(gone)
            truth = truth.drop(index=gone)
        elif kind == "drop":
            held = held.condensed()
        else:
            held = pickle.loads(pickle.dumps(held))
        frame = held.frame
        # Categories may have gone with the last of their lines, and been put together since.
        plain = {"category": object}
        pd.testing.assert_frame_equal(
            frame.astype(plain), truth.astype(plain), check_index_type=False
        )
        lines = held.where("whole % 3 == 0")
        assert lines.tolist() == truth.index[truth["whole"] % 3 == 0].tolist()
    pd.testing.assert_frame_equal(given, table(range(30)))


def test_no_value_of_a_forgotten_line_is_left():
    held = Metadata.of(table(range(40)), 40)
    held.forget(np.array([11, 12]))
    data = pickle.dumps(held)
    assert b"secret 13" in data and b"secret 11" not in data and b"secret 12" not in data
    (run,) = held._runs
    for column in run._columns:
        values = column.values
        # What lies below a mask or a code as well.
        below = [getattr(values, name, None) for name in ("_data", "_ndarray", "_codes")]
        for array in [values, *(b for b in below if isinstance(b, np.ndarray))]:
            kept = array[[10, 13]]
            assert not any(v in list(kept[:0]) + [7011, 7012, 7011.0, 7012.0] for v in array[11:13])
            assert len({str(v) for v in array[11:13]}) == 1

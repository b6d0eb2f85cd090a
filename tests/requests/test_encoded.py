"""Digests of labels: equal for equal labels of every kind, never for others."""

import datetime
import decimal
import enum
import fractions
import os
import subprocess
import sys
import uuid

import numpy as np
import pandas as pd
import pytest

from certunlearn.requests.labels import Labels, _encoded

UTC = datetime.UTC
P1 = datetime.timezone(datetime.timedelta(hours=1))


class Colour(enum.Enum):
    RED = 1


class Shy:
    def __init__(self, i):
        self.i = i

    def __eq__(self, o):
        return isinstance(o, Shy) and self.i == o.i

    def __hash__(self):
        return hash(self.i)

    def __repr__(self):
        return "<Shy>"


SAME = [
    (1, 1.0),
    (1, np.int64(1)),
    (1, np.float32(1)),
    (0.0, -0.0),
    (decimal.Decimal("0.5"), 0.5),
    (decimal.Decimal("1.0"), 1),
    (fractions.Fraction(1, 2), 0.5),
    (2**70, float(2**70)),
    ("a", np.str_("a")),
    ((1, "a"), (1.0, "a")),
    (frozenset([1, 9, 17, "a"]), frozenset(["a", 17, 9, 1])),
    (pd.Timestamp("2020-01-01"), datetime.datetime(2020, 1, 1)),
    (pd.Timestamp("2020-01-01").as_unit("s"), pd.Timestamp("2020-01-01")),
    (datetime.datetime(2020, 1, 1, tzinfo=UTC), datetime.datetime(2020, 1, 1, 1, tzinfo=P1)),
    (pd.Timestamp("2020-07-01", tz="UTC"), pd.Timestamp("2020-07-01 02:00", tz="Europe/Paris")),
    (uuid.UUID(int=7), uuid.UUID(int=7)),
    (None, None),
    (Colour.RED, Colour.RED),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 1)),
    (float("inf"), float("inf")),
    (fractions.Fraction(10**400, 3), fractions.Fraction(10**400, 3)),
    (10**6000, 10**6000),
]


@pytest.mark.parametrize("own,again", SAME, ids=range(len(SAME)))
def test_same(own, again):
    assert own == again and hash(own) == hash(again)
    L = Labels([own, "zz"])
    assert L.find(again) == [0]
    L.forget(np.array([0]))
    assert L.find(again) == [0] and L.match([again, "zz"])


DIFF = [
    1,
    True,
    0.5,
    fractions.Fraction(1, 3),
    1 / 3,
    "1",
    b"1",
    (1,),
    (True,),
    ("a", 1),
    ("a", True),
    ("a1",),
    None,
    "None",
    datetime.date(2020, 1, 1),
    datetime.datetime(2020, 1, 1),
    datetime.datetime(2020, 1, 1, tzinfo=UTC),
    pd.Timestamp("2020-01-01 00:00:00.000000001"),
    pd.Timestamp("2020-01-01 00:00:00.000000002"),
    frozenset(),
    (),
    frozenset([1]),
    frozenset([True]),
    Colour.RED,
    uuid.UUID(int=1),
    float("inf"),
    float("-inf"),
    2**53,
    2**53 + 1,
    np.float32(0.1),
    0.1,
]


def test_diff():
    codes = [_encoded(v) for v in DIFF]
    assert None not in codes and len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    "a,b,c",
    [
        (Shy(1), Shy(2), Shy(3)),
        (object(), object(), object()),
        (pd.Interval(0, 1), pd.Interval(1, 2), pd.Interval(2, 3)),
    ],
)
def test_unknown_kind_never_mistaken(a, b, c):
    L = Labels([a, b])
    L.forget(np.array([0]))
    assert L.find(a) == [] and L.find(b) == [1] and L.find(c) == [] and not L.match([c, b])


@pytest.mark.long
def test_other_process():
    code = (
        "from certunlearn.requests.labels import _encoded;"
        "print(_encoded(frozenset(['a', 'b', 'cc', ('d', 1)])).hex())"
    )
    out = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": s},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for s in "1234"
    }
    assert len(out) == 1


def test_bool_positions_and_nested():
    assert not Labels([False, True]).positional
    L = Labels([("a", 1), "b"])
    assert L.find(("a", True)) == [] and L.find(("a", 1.0)) == [0]

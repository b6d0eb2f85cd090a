"""Labels of forgotten rows: no longer readable, still recognised."""

import datetime
import pickle
import uuid
import warnings

import numpy as np
import pandas as pd
import pytest

from certunlearn import CertifiedLogReg
from certunlearn.exceptions import AlreadyForgottenError, SecretStateWarning, UnknownRowError
from certunlearn.requests.labels import Labels

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2))
Y = (X[:, 0] + RNG.normal(size=40) > 0).astype(int)


def fitted(ids):
    return CertifiedLogReg(random_state=0).fit(X, Y, row_ids=ids)


def test_a_forgotten_label_is_in_neither_object_nor_pickle():
    ids = [f"person-{i:04d}-secret" for i in range(40)]
    model = fitted(ids).forget(row_ids=[ids[7], ids[9]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecretStateWarning)
        text = pickle.dumps(model)
    for i in range(40):
        assert (ids[i].encode() in text) == (i not in (7, 9))
    assert ids[7] not in list(model._fitted.names.labels.at(np.arange(40)))
    for known in (model, pickle.loads(text)):
        with pytest.raises(AlreadyForgottenError):
            known.forget(row_ids=ids[7])
        with pytest.raises(UnknownRowError):
            known.forget(row_ids="person-0099-secret")
        assert known.forget(row_ids=ids[8]).n_forgotten_ == 3


@pytest.mark.parametrize(
    "own, again",
    [
        (1, 1.0),
        (np.int64(5), 5),
        (2**70, float(2**70)),
        (0.5, np.float64(0.5)),
        ("a", np.str_("a")),
        (b"a", b"a"),
        (("a", 1), ("a", 1.0)),
        (pd.Timestamp("2020-01-02"), datetime.datetime(2020, 1, 2)),
        (uuid.UUID(int=7), uuid.UUID(int=7)),
        (None, None),
        (True, np.True_),
    ],
)
def test_equal_labels_are_recognised_after_the_row_is_gone(own, again):
    labels = Labels([own, "other", "third"])
    assert labels.find(again) == [0]
    labels.forget(np.array([0, 2]))
    labels.forget(np.array([0]))
    labels = pickle.loads(pickle.dumps(labels))
    assert labels.find(again) == [0] and labels.find("third") == [2] and labels.find("x") == []
    assert labels.match([again, "other", "third"]) and not labels.match([again, "third", "other"])
    assert not labels.match([again, "other"])


def test_true_is_not_a_name_for_one():
    labels = Labels([1, 0, "x"])
    assert labels.find(True) == [] and labels.find(1) == [0] and labels.find(False) == []
    labels.forget(np.array([0]))
    assert labels.find(True) == [] and labels.find(1) == [0]


def test_a_label_that_rows_share_stays_shared():
    labels = Labels(["a", "a", "b"])
    labels.forget(np.array([1]))
    assert labels.find("a") == [0, 1]


def test_a_mask_over_the_fit_index_still_fits_after_a_removal():
    frame = pd.DataFrame(X, index=[f"u{i}" for i in range(40)])
    model = CertifiedLogReg(random_state=0).fit(frame, Y).forget(frame.index[[3]])
    mask = pd.Series(np.arange(40) == 5, index=frame.index)
    assert model.forget(mask).n_forgotten_ == 2 and model._fitted.model.forgotten[[3, 5]].all()


def test_who_is_asked_for_again_is_named_as_asked():
    ids = [f"p{i}" for i in range(40)]
    model = CertifiedLogReg().fit(pd.DataFrame(X, index=ids), Y).forget(row_ids=["p3", "p4"])
    index = pd.Index(ids)
    for request, said in (
        ({"row_ids": "p3"}, "'p3'$"),
        ({"row_ids": ["p9", "p4", "p3"]}, "'p4', 'p3'$"),
        ({"rows": [3, 5]}, "3$"),
        ({"rows": np.arange(40) == 4}, "4$"),
    ):
        with pytest.raises(AlreadyForgottenError, match=f"already forgotten: {said}"):
            model.forget(**request)
    with pytest.raises(AlreadyForgottenError, match="'p4'$"):
        model.forget(index[[4, 9]])

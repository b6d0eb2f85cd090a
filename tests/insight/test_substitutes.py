"""Auxiliary rows in place of revocable ones, against a search through all choices."""

from itertools import permutations

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, select_substitutes
from certunlearn.exceptions import AssumptionError, RowError
from certunlearn.insight import substitutes


def problem(seed, m=5, n=7, d=3):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-6, 7, size=d)
    return rng.normal(size=(m, d)) * scale + scale, rng.normal(size=(n, d)) * scale + scale


def table(R, A):
    """Distances, one by one."""
    both = np.vstack([R, A])
    width = both.std(axis=0)
    used = width > 0
    return np.array([[np.sqrt(np.mean(((r - a)[used] / width[used]) ** 2)) for a in A] for r in R])


@pytest.mark.parametrize("seed", range(20))
def test_each_row_gets_its_nearest(seed):
    R, A = problem(seed)
    D = table(R, A)
    limit = float(np.median(D.min(axis=1))) * (1 + 1e-9)
    found = select_substitutes(R, A, threshold=limit)
    near = D.min(axis=1) <= limit
    assert found.chosen.tolist() == np.where(near, D.argmin(axis=1), -1).tolist()
    np.testing.assert_allclose(found.distance, D.min(axis=1), rtol=1e-9)
    assert found.missing.tolist() == np.flatnonzero(~near).tolist() and len(found.missing) == 2
    assert found.largest == pytest.approx(D.min(axis=1)[near].max())
    assert found.rows.tolist() == sorted(set(found.chosen[near].tolist()))
    assert found.weights.sum() == near.sum()
    assert "3 of 5 revocable rows" in str(found) and "no certificate covers" in str(found)


@pytest.mark.parametrize("seed", range(20))
def test_one_to_one_is_the_best_of_all_assignments(seed):
    R, A = problem(seed, m=4, n=5)
    D = table(R, A)
    limit = float(np.quantile(D, 0.5)) * (1 + 1e-9) if seed % 2 else None
    allowed = D <= (np.inf if limit is None else limit)
    best = max(
        (int(sum(ok)), -sum(D[i, j] for i, j in enumerate(order) if ok[i]))
        for order in permutations(range(5), 4)
        for ok in [[allowed[i, j] for i, j in enumerate(order)]]
    )
    found = select_substitutes(R, A, threshold=limit, one_to_one=True)
    on = found.chosen >= 0
    assert on.sum() == best[0]
    assert found.distance[on].sum() == pytest.approx(-best[1])
    assert len(set(found.chosen[on].tolist())) == on.sum() and (found.weights == 1).all()
    assert all(D[i, j] <= found.threshold for i, j in enumerate(found.chosen) if j >= 0)
    np.testing.assert_allclose(found.distance[~on], D.min(axis=1)[~on])


@pytest.mark.parametrize("one_to_one", [False, True])
def test_labels_match(one_to_one):
    R, A = problem(0)
    y, y_aux = np.array(list("aabbc")), np.array(list("abbbbbb"))
    found = select_substitutes(
        R, A, y_revocable=y, y_aux=y_aux, one_to_one=one_to_one, threshold=1e9
    )
    on = found.chosen >= 0
    assert (y_aux[found.chosen[on]] == y[on]).all() and not on[4]
    assert found.distance[4] == np.inf and 4 in found.missing
    assert on.sum() == (3 if one_to_one else 4)


def test_columns_that_do_not_vary_count_for_nothing():
    R, A = problem(1)
    wide = [np.hstack([X, np.full((len(X), 1), 0.1)]) for X in (R, A)]
    one, two = select_substitutes(R, A), select_substitutes(*wide)
    np.testing.assert_array_equal(one.chosen, two.chosen)
    np.testing.assert_allclose(one.distance, two.distance)
    same = select_substitutes(np.ones((2, 2)), np.ones((3, 2)), threshold=0.0, one_to_one=True)
    assert len(same.rows) == 2 and same.largest == 0.0


def test_the_choice_depends_on_the_revocable_rows():
    """What the docstring says is not covered: the choice tells that a row was there."""
    R, A = problem(2)
    R[0] = A[6]
    assert 6 in select_substitutes(R, A, threshold=1e-3).rows
    assert 6 not in select_substitutes(R[1:], A, threshold=1e-3).rows
    assert "choice is not forgotten" in select_substitutes.__doc__


def test_a_model_of_substitutes_has_nothing_to_forget():
    rng = np.random.default_rng(0)
    R, A = rng.normal(size=(40, 3)), rng.normal(size=(300, 3))
    y, y_aux = (R[:, 0] > 0).astype(int), (A[:, 0] > 0).astype(int)
    found = select_substitutes(R, A, y_revocable=y, y_aux=y_aux)
    k = len(found.rows)
    model = CertifiedLogReg().fit(
        A[found.rows], y_aux[found.rows], found.weights, static=np.ones(k, dtype=bool)
    )
    assert model.score(R, y) > 0.9
    with pytest.raises(RowError, match="static"):
        model.forget([0])


def test_what_does_not_fit_is_refused(monkeypatch):
    R, A = problem(0)
    for args, more, reason in (
        ((R, A[:, :2]), {}, "3 columns, X_aux 2"),
        ((R, A * np.nan), {}, "NaN"),
        ((R[:0], A), {}, "minimum of 1"),
        ((R, A), {"threshold": -1}, "threshold"),
        ((R, A), {"one_to_one": 1}, "one_to_one"),
        ((R, A), {"y_aux": np.zeros(7)}, "neither"),
        ((R, A), {"y_aux": np.zeros(7), "y_revocable": np.zeros(7)}, "shape"),
    ):
        with pytest.raises(ValueError, match=reason):
            select_substitutes(*args, **more)
    monkeypatch.setattr(substitutes, "MOST_PAIRS", 30)
    with pytest.raises(AssumptionError, match="5 x 7"):
        select_substitutes(R, A, one_to_one=True)

"""Progress: a callback, a line that changes, plain lines, or nothing; and what an error leaves."""

import builtins

import numpy as np
import pytest

from certunlearn import CertifiedLogReg

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = (X[:, 0] + RNG.normal(size=60) > 0).astype(int)


def test_a_callback_hears_of_every_step():
    steps = []
    model = CertifiedLogReg().fit(X, Y, progress=lambda i, size: steps.append((i, size)))
    assert [i for i, _ in steps] == list(range(1, model.n_iter_[0] + 1))
    assert all(size >= 0 for _, size in steps) and steps[-1][1] < steps[0][1]
    heard = []
    model.forget(np.arange(20), progress=lambda i, size: heard.append(i))
    # A removal that needs no Newton step has none to tell of.
    assert heard == list(range(1, len(heard) + 1))


def test_an_error_in_the_callback_leaves_the_model_as_it_was():
    model = CertifiedLogReg(random_state=0).fit(X, Y)
    before = model.coef_.copy()

    def broken(i, size):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        model.fit(X * 2, Y, progress=broken)
    assert (model.coef_ == before).all() and model.n_retained_ == 60


def test_true_shows_a_line_where_rich_is_installed(monkeypatch, capsys):
    shown = []
    from rich.status import Status

    update = Status.update
    monkeypatch.setattr(
        Status, "update", lambda self, text: (shown.append(text), update(self, text))
    )
    CertifiedLogReg().fit(X, Y, progress=True)
    assert shown and shown[0].startswith("Newton step 1: decrement ")
    assert capsys.readouterr().out == ""


def test_true_is_silent_without_rich(monkeypatch, capsys):
    load = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "rich":
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    CertifiedLogReg().fit(X, Y, progress=True)
    out = capsys.readouterr()
    assert out.out == out.err == ""


def test_verbose_prints_lines(capsys):
    CertifiedLogReg(verbose=1).fit(X, Y)
    assert capsys.readouterr().err.startswith("Newton step 1: decrement ")


def test_something_else_is_refused_and_changes_nothing():
    model = CertifiedLogReg().fit(X, Y)
    before = model.coef_.copy()
    for wrong in ("yes", 1, [print]):
        with pytest.raises(TypeError, match="True, False or a callable"):
            model.forget([3], progress=wrong)
    assert model.n_forgotten_ == 0 and (model.coef_ == before).all()

"""BLAS threads: fewer inside, as before outside, whoever leaves last."""

import threading

import numpy as np
from threadpoolctl import threadpool_info

from certunlearn import CertifiedLogReg
from certunlearn._threads import SMALL, blas_threads


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

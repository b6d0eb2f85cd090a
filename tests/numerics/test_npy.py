"""Headers of .npy files, read from several threads at once."""

import gc
import sys
import threading

import numpy as np
import pytest

from certunlearn.numerics.rows import npy


@pytest.fixture
def hurried():
    """Threads that give way at every instruction, and in the middle of a parse."""

    def collected(*_):
        for _ in range(100):
            pass

    before = gc.get_threshold(), sys.getswitchinterval()
    gc.callbacks.append(collected)
    gc.set_threshold(5)
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before[1])
    gc.set_threshold(*before[0])
    gc.callbacks.remove(collected)


def test_headers_are_read_while_others_are(tmp_path, hurried):
    """One in five fails where NumPy's reader is asked once (CPython 3.11)."""
    path, wrong = tmp_path / "rows.npy", []
    np.save(path, np.arange(12.0).reshape(4, 3))

    def work():
        try:
            for _ in range(100):
                column = npy.Column(path)
                assert column.shape == (4, 3) and column.dtype == np.float64
                assert npy.mapped(str(path))[1, 2] == 5.0
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_no_header_is_still_refused(tmp_path):
    path = tmp_path / "rows.npy"
    path.write_bytes(b"no array")
    with pytest.raises(ValueError):
        npy.mapped(str(path))

    def never():
        raise SystemError("for good")

    with pytest.raises(SystemError, match="for good"):
        npy.parsed(never)

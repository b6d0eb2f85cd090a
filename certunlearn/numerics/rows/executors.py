"""Whoever sums over parts of rows at once: engines that exist, through their own joints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import joblib

from ...exceptions import CertunlearnError, ExecutorError

Task = TypeVar("Task")
Result = TypeVar("Result")


class Executor(Protocol):
    """What concurrent.futures calls an executor; Dask, loky, MPI and others have one as well.

    One that has ``submit`` besides is waited for no longer than a time limit.
    """

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any], /) -> Iterable[Any]:
        """Return the results in the order of the tasks."""


def ambient() -> Executor | None:
    """Return what joblib's ``parallel_config`` asks for in this context, None by default."""
    return _Joblib() if joblib.effective_n_jobs(None) != 1 else None


class _Joblib:
    """The backend that is active in joblib."""

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any], /) -> Iterable[Any]:
        calls = (joblib.delayed(function)(task) for task in tasks)
        out: Iterable[Any] = joblib.Parallel(return_as="generator")(calls)
        return out


def results(
    executor: Executor,
    function: Callable[[Task], Result],
    tasks: list[Task],
    timeout: float | None,
) -> Iterator[Result]:
    """Yield what a function makes of each task, in order.

    Raises
    ------
    ExecutorError
        If the executor has lost a process for good, or there is no next result for ``timeout``
        seconds: an engine whose workers are all gone may wait for ever.
    """
    try:
        yield from _results(executor, function, tasks, timeout)
    except CertunlearnError:
        raise
    except TimeoutError as error:
        raise ExecutorError(
            f"a pass over the rows was not finished: no result came for {timeout} seconds. Nothing "
            "has been changed: look after the executor's workers, or set a longer timeout, then "
            "ask again"
        ) from error
    except Exception as error:
        # Every engine has errors of its own for a process that is lost.
        raise ExecutorError(
            f"a pass over the rows was not finished: {type(error).__name__}: {error}. Nothing "
            "has been changed: start the executor again, then ask again"
        ) from error


def _results(
    executor: Executor,
    function: Callable[[Task], Result],
    tasks: list[Task],
    timeout: float | None,
) -> Iterator[Result]:
    submit = getattr(executor, "submit", None)
    if submit is None:
        yield from executor.map(function, tasks)
        return
    waiting = [submit(function, task) for task in tasks]
    try:
        for future in waiting:
            yield future.result(timeout)
    finally:
        for future in waiting:
            future.cancel()

"""Attributes that are worked out once, where they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):
    """What `functools.cached_property` is from Python 3.12 on: without a lock.

    Before, all instances of a class share one, and a child that is forked while another thread
    holds it waits for ever.  Two threads may work the value out at once: it has to be a function of
    the instance alone.
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        known = instance.__dict__
        if self.name not in known:
            known[self.name] = self.function(instance)
        value: T = known[self.name]
        return value

"""Objects that are always seen whole: one verb at a time, all of it or nothing.

A verb works on a draft, a shallow copy of the object, and becomes what the draft is in one step
that neither an interrupt nor another thread can divide.  An exception anywhere before drops the
draft.  Readers look at such a copy as well, taken between two steps, and wait for no verb.
"""

from __future__ import annotations

import copy
import functools
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Self, TypeVar, cast

from .interrupts import steady

F = TypeVar("F", bound=Callable[..., object])
R = TypeVar("R")
W = TypeVar("W", bound="Whole")
_MISSING = object()


class Guard:
    """The two locks of a model.

    Attributes
    ----------
    verbs : RLock
        Held by one verb from its beginning to its end.
    moment : RLock
        Held for as long as it takes to copy attributes, or to put others in their place.
    """

    def __init__(self) -> None:
        self.renew()
        _guards.add(self)

    def renew(self) -> None:
        """Take new locks: whoever held the old ones does not exist in a forked process."""
        # Re-entrant: a verb calls readers and other verbs of the same object, in its own thread.
        self.verbs, self.moment = threading.RLock(), threading.RLock()


_guards: weakref.WeakSet[Guard] = weakref.WeakSet()
_making = threading.Lock()


def _in_child() -> None:
    global _making
    _making = threading.Lock()
    # A thread that does not exist here may have held any of them at the fork.
    for guard in list(_guards):
        guard.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


class Whole:
    """An object with verbs and readers; it copies whole, with locks of its own."""

    # Locks are no attributes: copies, pickles and drafts do not have them.
    __slots__ = ("__dict__", "_locks")
    _locks: Guard
    #: Of a draft alone: its attributes when it was made.
    _seen: dict[str, object]

    @property
    def _guard(self) -> Guard | None:
        """The locks of this object; None for a draft, which one thread alone knows."""
        if "_seen" in self.__dict__:
            return None
        if not hasattr(self, "_locks"):
            with _making:
                # Asked again under the lock: another thread may have made them in between.
                if not hasattr(self, "_locks"):
                    self._locks = Guard()
        return self._locks

    def _draft(self) -> Self:
        """Return a shallow copy as of one moment: what it does to itself is not done here."""
        out, guard = object.__new__(type(self)), self._guard
        if guard is None:
            out._filled(self)
        else:
            with guard.moment:
                # No attribute may be put in place between the first and the last that is copied.
                out._filled(self)
        out._seen = dict(out.__dict__)
        return out

    def _filled(self, of: Self) -> None:
        """Take the attributes of an object, as its draft."""
        self.__dict__.update(of.__dict__)

    def _become(self, draft: Self) -> None:
        """Take over every attribute that a draft has changed since it was made."""
        # Only what the verb has changed: an attribute that a reader has worked out meanwhile stays.
        seen, new = draft._seen, {k: v for k, v in draft.__dict__.items() if k != "_seen"}
        for name in seen.keys() - new.keys():
            self.__dict__.pop(name, None)
        changed = {k: v for k, v in new.items() if seen.get(k, _MISSING) is not v}
        self.__dict__.update(changed)

    def _settle(self) -> None:
        """Finish what a verb before this one may have left to be overwritten."""

    def _clean(self, before: Self) -> None:
        """Overwrite what the object held ``before`` and does not hold any more."""

    def _take_over(self, draft: Self) -> None:
        """Become what a draft is.  Its verb has been carried out once this has begun."""
        guard = self._guard
        if guard is None:
            self._become(draft)
            return
        with steady():
            # What there was, to be overwritten once nobody can reach it through the object any
            # more.
            before = self._draft()
            with guard.moment:
                self._become(draft)
            self._clean(before)

    def _still(self) -> Self:
        """Return a draft that shares nothing a verb changes, for whoever takes long to read it."""
        return self._draft()

    def __getstate__(self) -> dict[str, object]:
        # A pickle waits for the verb in progress: it holds the object before or after it.
        still = self if self._guard is None else serially([self], self._still)
        return {k: v for k, v in still.__dict__.items() if k != "_seen"}

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return serially([self], lambda: self._copied(memo))

    def _copied(self, memo: dict[int, object]) -> Self:
        self._settle()
        out = object.__new__(type(self))
        # Known before its attributes are copied: one of them may lead back here.
        memo[id(self)] = out
        state = {k: v for k, v in self.__dict__.items() if k != "_seen"}
        out.__dict__.update(copy.deepcopy(state, memo))
        return out


def serially(objects: Sequence[Whole], action: Callable[[], R]) -> R:
    """Do something while no verb of any of these objects is carried out.

    The locks are taken in one order, whatever that of the objects: nobody waits in a circle.
    """
    guards = {id(g): g for g in (o._guard for o in objects) if g is not None}
    # By address: two threads that want the same objects take them in the same order.
    return _held([guards[key] for key in sorted(guards)], action)


def together(objects: Sequence[W], action: Callable[[list[W]], R]) -> R:
    """Carry a verb out on several objects: all of them become their drafts, or none.

    ``action`` is given the drafts.  No other verb of any object is carried out meanwhile.
    """

    def carried_out() -> R:
        for one in objects:
            one._settle()
        drafts = [one._draft() for one in objects]
        out = action(drafts)
        # All at once: no interrupt comes between the first and the last.
        with steady():
            for one, draft in zip(objects, drafts, strict=True):
                one._take_over(draft)
        return out

    return serially(objects, carried_out)


def _held(guards: Sequence[Guard], action: Callable[[], R]) -> R:
    if not guards:
        return action()
    # A lock is taken and given back by the interpreter itself: no instruction lies in between.
    with guards[0].verbs:
        return _held(guards[1:], action)


def serialised(method: F) -> F:
    """Make a method wait for verbs, and verbs for it."""

    @functools.wraps(method)
    def waiting(self: Whole, *args: object, **kwargs: object) -> object:
        guard = self._guard
        if guard is None:
            return method(self, *args, **kwargs)
        with guard.verbs:
            self._settle()
            return method(self, *args, **kwargs)

    waiting.whole = "serialised"  # type: ignore[attr-defined]
    return cast(F, waiting)


def verb(method: F) -> F:
    """Make a method a verb: it gets a draft, which the object becomes if nothing is raised.

    Called on a draft it is part of the verb that made the draft.
    """

    @functools.wraps(method)
    def carried_out(self: Whole, *args: object, **kwargs: object) -> object:
        guard = self._guard
        if guard is None:
            return method(self, *args, **kwargs)
        with guard.verbs:
            # An interrupt may have come between the last verb's taking over and its overwriting.
            self._settle()
            draft = self._draft()
            # Whatever is raised here leaves the object untouched: the draft is dropped.
            method(draft, *args, **kwargs)
            self._take_over(draft)
        return self

    carried_out.whole = "verb"  # type: ignore[attr-defined]
    return cast(F, carried_out)


def reader(method: F) -> F:
    """Make a method see the object as it was at one moment, whatever goes on meanwhile."""

    @functools.wraps(method)
    def seeing(self: Whole, *args: object, **kwargs: object) -> object:
        return method(self if self._guard is None else self._draft(), *args, **kwargs)

    seeing.whole = "reader"  # type: ignore[attr-defined]
    return cast(F, seeing)

"""Every public name and signature, as it was: what changes here changes for users.

After a change that is meant: ``python -m tests.test_surface``.
"""

import inspect
import json
from pathlib import Path

import certunlearn

GOLDEN = Path(__file__).parent / "golden" / "surface.json"


def signature(thing):
    """Parameters with their defaults, without annotations."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    return ", ".join(str(p.replace(annotation=inspect.Parameter.empty)) for p in parameters)


def members(cls):
    """Public methods and properties of a class that this package defines."""
    for base in cls.__mro__:
        if base.__module__.startswith("certunlearn"):
            yield from (name for name in vars(base) if not name.startswith("_"))


def surface():
    found = {}
    for name in certunlearn.__all__:
        thing = getattr(certunlearn, name)
        found[name] = signature(thing) if callable(thing) else ""
        if inspect.isclass(thing):
            for member in sorted(set(members(thing))):
                own = inspect.getattr_static(thing, member)
                call = getattr(thing, member, None)
                found[f"{name}.{member}"] = (
                    signature(call) if callable(call) else type(own).__name__
                )
    return found


def test_nothing_public_has_changed():
    before, now = json.loads(GOLDEN.read_text()), surface()
    assert {k: v for k, v in before.items() if now.get(k) != v} == {}
    assert sorted(set(now) - set(before)) == []


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(surface(), indent=0, sort_keys=True) + "\n")

"""Records replaced: the fields alone, and nothing that was worked out from them."""

from dataclasses import dataclass, field

import pytest

from certunlearn._common.cached import cached_property
from certunlearn._common.replaced import replace


@dataclass(frozen=True)
class Record:
    first: int
    second: tuple = ()

    @cached_property
    def doubled(self):
        return 2 * self.first


class Later(Record):
    """No dataclass of its own: the fields it inherits."""


def test_fields_change_and_what_follows_from_them_is_worked_out_anew():
    for kind in (Record, Later):
        record = kind(1, (2,))
        assert record.doubled == 2
        other = replace(record, first=3)
        assert type(other) is kind and other == kind(3, (2,)) and other.second is record.second
        assert list(vars(other)) == ["first", "second"] and other.doubled == 6
        assert record.first == 1 and record.doubled == 2


def test_what_is_no_field_is_refused():
    with pytest.raises(TypeError, match="no fields of Record: \\['third'\\]"):
        replace(Record(1), third=3)


def test_records_that_do_more_are_refused():
    @dataclass(frozen=True)
    class Checked:
        first: int

        def __post_init__(self):
            assert self.first

    @dataclass
    class Derived:
        first: int = field(init=False, default=0)

    for record in (Checked(1), Derived()):
        with pytest.raises(TypeError, match="more than hold its fields"):
            replace(record, first=0)

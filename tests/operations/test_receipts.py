"""Receipts as files, and deadlines with their extension."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest

from certunlearn import CertifiedLogReg, ForgetQueue, Receipt
from certunlearn.exceptions import UnknownRowError
from certunlearn.requests.deadline import Extension, months_after

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] + RNG.normal(size=60) > 0).astype(int)


def at(*when, zone=UTC):
    return datetime(*when, tzinfo=zone)


class Clock:
    time = at(2026, 1, 31, 9)

    def __call__(self):
        return self.time


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    queue = ForgetQueue(CertifiedLogReg().fit(X, Y), now=clock)
    queue.add([3, 8], reference="case 1")
    queue.add([9], reference="case 2")
    return queue


@pytest.mark.parametrize(
    "start, months, end",
    [
        (at(2026, 1, 31, 9), 1, at(2026, 2, 28, 9)),
        (at(2028, 1, 31), 1, at(2028, 2, 29)),
        (at(2026, 12, 15), 1, at(2027, 1, 15)),
        (at(2026, 11, 30), 3, at(2027, 2, 28)),
        (at(2026, 3, 31, zone=timezone(timedelta(hours=2))), 1, at(2026, 4, 29, 22)),
    ],
)
def test_a_month_ends_on_the_day_of_its_number_or_the_last_there_is(start, months, end):
    assert months_after(start, months) == end


def test_every_request_has_a_deadline_of_a_month_unless_told_otherwise(clock):
    queue = ForgetQueue(CertifiedLogReg().fit(X, Y), now=clock)
    assert queue.add([3], reference="a").deadline == at(2026, 2, 28, 9)
    assert queue.add([4], reference="b", within=timedelta(days=3)).deadline == at(2026, 2, 3, 9)
    clock.time = at(2026, 2, 27, 10)
    assert queue.ready and [r.reference for r in queue.overdue] == ["b"]
    free = ForgetQueue(queue.model, now=clock, within=None)
    assert free.add([3], reference="a").deadline is None
    assert free.add([4], reference="b", within="month").deadline == at(2026, 3, 27, 10)
    with pytest.raises(ValueError, match="request 'a' has no deadline: nothing to extend"):
        free.extend("a", reason="complex")
    for wrong in ("week", 30, timedelta(-1)):
        with pytest.raises(ValueError, match="within must be"):
            ForgetQueue(queue.model, within=wrong)


def test_a_deadline_is_put_off_with_notice_and_reason(queue, clock):
    clock.time = at(2026, 2, 20, 12)
    request = queue.extend("case 1", reason="many requests at once")
    assert request.deadline == at(2026, 4, 28, 9)
    told = Extension(at(2026, 2, 28, 9), clock.time, "many requests at once")
    assert request.extension == told and next(iter(queue)) == request
    said = "was due 2026-02-28 09:00+00:00; notice given 2026-02-20 12:00+00:00: many requests"
    assert str(told).startswith(said)
    with pytest.raises(ValueError, match="was put off before: nothing to extend"):
        queue.extend("case 1", reason="again")
    again = ForgetQueue.from_json(queue.to_json(), queue.model, now=clock)
    assert list(again) == list(queue)
    clock.time = at(2026, 3, 15)
    assert [r.reference for r in queue.overdue] == ["case 2"]
    assert ">from 2026-02-28 09:00+00:00<" in queue._repr_html_()
    receipts = queue.run()
    assert receipts[0].extension == told and [r.late for r in receipts] == [False, True]


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(reason=" "), "reason must be a text"),
        (dict(reason=3), "reason must be a text"),
        (dict(until=at(2026, 4, 28, 10)), "until must be after 2026-02-28"),
        (dict(until=at(2026, 2, 28, 9)), "until must be after 2026-02-28"),
        (dict(until=datetime(2026, 3, 28)), "until must be a datetime with a time zone"),
        (dict(until=date(2026, 3, 28)), "until must be a datetime with a time zone"),
        (dict(notified=at(2026, 3, 1)), "notice has to be given while the deadline runs"),
        (dict(notified=at(2026, 1, 1)), "notice has to be given while the deadline runs"),
        (dict(notified=datetime(2026, 2, 1)), "notified must be a datetime with a time zone"),
    ],
)
def test_what_is_no_extension_changes_nothing(queue, changes, message):
    before = list(queue)
    with pytest.raises(ValueError, match=message):
        queue.extend("case 1", **({"reason": "complex"} | changes))
    with pytest.raises(UnknownRowError, match="no request with reference 'case 7' waits"):
        queue.extend("case 7", reason="complex")
    assert list(queue) == before


def test_notice_after_the_deadline_is_too_late(queue, clock):
    clock.time = at(2026, 2, 28, 9)
    queue.extend("case 1", reason="on the last minute")
    clock.time += timedelta(minutes=1)
    with pytest.raises(ValueError, match="notice has to be given while the deadline runs"):
        queue.extend("case 2", reason="too late")


def test_receipts_come_back_as_they_were(queue, clock):
    queue.extend("case 1", reason="many requests")
    queue.model.forget([9])
    clock.time += timedelta(days=40)
    for receipt in queue.run():
        text = receipt.to_json()
        again = Receipt.from_json(text)
        assert again == receipt and again.to_json() == text and str(again) == str(receipt)
        assert again.late is receipt.late is (receipt.reference == "case 2")
        assert again.certificate.matches(queue.model) and again.certificate.check(1.0, 1e-6)
        page = receipt._repr_html_()
        assert receipt.reference in page and page.startswith("<table>")
        assert receipt.certificate.weights in page


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(version=2), "not a receipt of version 1"),
        (dict(version=True), "not a receipt of version 1"),
        (dict(rows=[1.5]), "rows of a receipt cannot be"),
        (dict(rows=None), "rows of a receipt cannot be"),
        (dict(gone=[-1]), "gone of a receipt cannot be"),
        (dict(reference=3), "reference of a receipt cannot be"),
        (dict(received="2026-01-01"), "received must be a datetime with a time zone"),
        (dict(done=None), "done of a receipt cannot be None"),
        (dict(deadline=3), "deadline of a receipt cannot be 3"),
        (dict(extension={}), "not the extension of a deadline"),
        (dict(certificate={}), "not a certificate of version"),
        (dict(more=1), r"fields do not match: \['more'\]"),
    ],
)
def test_what_is_no_receipt_is_refused(queue, changes, message):
    values = json.loads(queue.run()[0].to_json())
    with pytest.raises(ValueError, match=message):
        Receipt.from_json(json.dumps(values | changes))
    values["certificate"]["epsilon"] = 0.01
    with pytest.raises(ValueError, match="do not follow from mu"):
        Receipt.from_json(json.dumps(values))


def test_certificates_and_queues_show_themselves(queue):
    page = queue.model.certificate_._repr_html_()
    assert page.startswith("<table><caption>Certificate of a fit, nothing removed</caption>")
    assert queue.model.certificate_.weights in page and "scalers" in page
    assert "case 1" in queue._repr_html_()
    none = CertifiedLogReg(noise=0).fit(X, Y).certificate_._repr_html_()
    assert none.startswith("<p>No certificate")

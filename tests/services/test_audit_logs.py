"""The audit log as services write it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas.audit_logs import AuditQuery
from services import audit_logs
from services.unit_of_work import unit_of_work
from tests.factories.audit_logs import make_records


def _logged(app):
    with app.app_context():
        return audit_logs.list_audit_logs(AuditQuery(limit=50)).value["items"]


def _change_that_fails(app):
    with app.app_context(), unit_of_work() as work:
        audit_logs.record(work, None, "model.changed", "model", "demo/echo", {})
        raise LookupError


def test_a_record_is_in_the_next_read(app):
    """The log has a cache of its own, and a record written by any capability must empty it."""
    before = _logged(app)

    make_records(app, ["model.changed"], status="disabled")

    assert [each["action"] for each in before] == []
    assert [each["action"] for each in _logged(app)] == ["model.changed"]


def test_a_record_of_a_change_that_failed_is_not_kept(app):
    """What did not happen was not done by anybody."""
    with pytest.raises(LookupError):
        _change_that_fails(app)

    assert _logged(app) == []


def test_a_secret_in_a_detail_is_masked(app):
    """A log that many may read must not hold what opens doors, whoever wrote it there."""
    make_records(app, ["provider.changed"], api_key="sk-1234567890", note="was lk-abcdefghijkl")

    detail = _logged(app)[0]["detail"]

    assert detail == {"api_key": "***", "note": "was ***"}


def test_times_and_amounts_in_a_detail_are_written_as_text(app):
    """Services pass what they changed as it is."""
    make_records(app, ["x"], at=datetime(2026, 1, 1, tzinfo=UTC), limit=Decimal("0.10"))

    assert _logged(app)[0]["detail"] == {"at": "2026-01-01T00:00:00Z", "limit": "0.10"}


def test_a_detail_too_long_to_keep_leaves_its_names(app):
    """A client cannot grow the log by a megabyte a call."""
    make_records(app, ["x"], text="a" * 100_000)

    assert _logged(app)[0]["detail"] == {"shortened": True, "fields": ["text"]}

"""The shapes of the audit log."""

from datetime import UTC, datetime

import pytest
from marshmallow import ValidationError

from schemas.audit_logs import AuditLogQuerySchema, AuditQuery


def test_nothing_asked_is_everything():
    """The defaults narrow nothing down."""
    assert AuditLogQuerySchema().load({}) == AuditQuery(limit=50)


def test_from_and_to_are_instants():
    """The wire's names are words that Python keeps for itself."""
    asked = AuditLogQuerySchema().load({"from": "2026-01-01T00:00:00Z"})

    assert asked.since == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_time_that_ends_before_it_begins_is_refused():
    """It would find nothing, and say nothing of why."""
    with pytest.raises(ValidationError) as refused:
        AuditLogQuerySchema().load({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"})

    assert list(refused.value.messages) == ["to"]

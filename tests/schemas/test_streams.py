"""How a stream is shown, and from where it may be read on."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from marshmallow import ValidationError

from schemas.streams import ActiveQuerySchema, ResumeQuerySchema, StreamSchema


def test_a_stream_names_its_model_as_everywhere():
    """`model`, though the column has another name; nothing of the worker is told."""
    row = SimpleNamespace(
        id="s", conversation_id=None, message_id=None, model_id="demo/echo", status="running",
        started_at=datetime(2026, 1, 1, tzinfo=UTC), ended_at=None, worker="host:1",
    )  # fmt: skip

    assert StreamSchema().dump(row) == {
        "id": "s",
        "conversation_id": None,
        "message_id": None,
        "model": "demo/echo",
        "status": "running",
        "started_at": "2026-01-01T00:00:00Z",
        "ended_at": None,
    }


def test_running_streams_are_meant_unless_it_is_said():
    """The list has no others."""
    assert ActiveQuerySchema().load({}) == {"active": True, "limit": 50, "cursor": None}


@pytest.mark.parametrize(("text", "after"), [("-1", -1), ("0", 0), ("12", 12)])
def test_a_place_to_read_on_from_is_a_number(text, after):
    """From -1 on, which is before the first event."""
    assert ResumeQuerySchema().load({"after": text})["after"] == after


@pytest.mark.parametrize("text", ["-2", "1.5", "x", "9" * 40, ""])
def test_what_is_no_place_is_refused(text):
    """It is named, not taken for the beginning."""
    with pytest.raises(ValidationError) as refused:
        ResumeQuerySchema().load({"after": text})

    assert set(refused.value.normalized_messages()) == {"after"}

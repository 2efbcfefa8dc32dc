"""What may be asked of the ledger."""

import pytest
from marshmallow import ValidationError

from schemas.costs_records import ExportQuerySchema, RecordQuerySchema


def test_an_export_has_no_pages():
    """It comes whole; a limit that is ignored would look like one that works."""
    with pytest.raises(ValidationError):
        ExportQuerySchema().load({"limit": "5"})


def test_an_unknown_status_is_refused():
    """An empty page would say that there are no such records."""
    with pytest.raises(ValidationError) as refused:
        RecordQuerySchema().load({"status": "paid"})

    assert list(refused.value.normalized_messages()) == ["status"]

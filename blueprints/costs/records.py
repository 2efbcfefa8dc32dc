"""`/api/costs/records` and `/api/costs/export.csv`: the ledger itself."""

from typing import Any

from flask import Response, stream_with_context

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, query, returns
from blueprints.http.caching import cached_response, uncached
from cache.results import CachedResult
from schemas.costs_records import (
    ExportQuerySchema,
    RecordFilters,
    RecordQuery,
    RecordQuerySchema,
    RecordSchema,
)
from schemas.page import page_schema
from services.costs import records
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("records", "/api/costs", "The ledger: one record for each provider call.")


@routes.get("/records")
@require("costs:read")
@query(RecordQuerySchema)
@returns(page_schema(RecordSchema))
@cached_response
def list_records(principal: Principal, asked: RecordQuery) -> CachedResult[dict[str, Any]]:
    """List records, newest first."""
    return records.list_records(principal, asked)


@routes.get("/export.csv")
@uncached("it is streamed from the ledger and may be larger than any entry")
@require("costs:read")
@query(ExportQuerySchema)
@returns(media_type="text/csv")
def export_records(principal: Principal, asked: RecordFilters) -> Response:
    """Export records as CSV, newest first."""
    pieces = records.export_records(principal, asked)
    response = Response(stream_with_context(pieces), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="larder-costs.csv"'
    response.headers["Cache-Control"] = "private, no-store"
    return response

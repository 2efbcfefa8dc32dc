"""HTTP in and out: parse, authorise, call one service, serialise."""

from blueprints import audit_logs, operations
from blueprints.conversations import folders
from blueprints.costs import budgets, pricing, records, usage
from blueprints.http.bodies import Routes

__all__ = ["BLUEPRINTS"]

BLUEPRINTS: tuple[Routes, ...] = (
    operations.routes,
    folders.routes,
    audit_logs.routes,
    usage.routes,
    records.routes,
    pricing.routes,
    budgets.routes,
)

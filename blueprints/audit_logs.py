"""`/api/audit-logs`: who changed what, when."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, query, returns
from blueprints.http.caching import cached_response
from cache.results import CachedResult
from schemas.audit_logs import AuditLogQuerySchema, AuditLogsSchema, AuditQuery
from services import audit_logs
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("audit_logs", "/api/audit-logs", "Who changed what, when.")


@routes.get("")
@require("audit_logs:read")
@query(AuditLogQuerySchema)
@returns(AuditLogsSchema)
@cached_response
def list_audit_logs(principal: Principal, asked: AuditQuery) -> CachedResult[dict[str, Any]]:
    """List the audit log, the newest first."""
    del principal  # whoever may read it reads all of it
    return audit_logs.list_audit_logs(asked)

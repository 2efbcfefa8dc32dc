"""scopes are bumped by triggers"""

from alembic import op

from database.triggers import postgres, sqlite
from database.triggers.scopes import TableScopes, everyones, owned, related, shared

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# As the tables said it when this was written; a later change is a later migration's.
TABLES = (
    TableScopes(
        "api_keys",
        (
            owned("permissions", "secret_hash"),
            owned("permissions", "user_id"),
            owned("users", "user_id"),
        ),
        (("id",), ("secret_hash",)),
    ),
    TableScopes("audit_logs", (everyones("audit_logs", stripes=4),), (("id",),)),
    TableScopes(
        "budgets",
        (
            owned("analytics", "owner_id"),
            everyones("analytics", stripes=16),
            owned("permissions", "owner_id"),
        ),
        (("id",), ("subject_kind", "subject_id", "period")),
    ),
    TableScopes("conversations", (owned("conversations", "user_id"),), (("id",),)),
    TableScopes("files", (owned("files", "user_id"),), (("id",),)),
    TableScopes("folders", (owned("conversations", "user_id"),), (("id",),)),
    TableScopes(
        "ledger_records",
        (
            owned("analytics", "user_id"),
            owned("analytics", "workspace_id"),
            everyones("analytics", stripes=16),
        ),
        (("call_id",), ("id",)),
    ),
    TableScopes("messages", (owned("conversations", "user_id"),), (("id",),)),
    TableScopes("models", (shared("models"),), (("id",),)),
    TableScopes(
        "prices", (shared("providers"),), (("id",), ("model_id", "source", "effective_from"))
    ),
    TableScopes(
        "providers",
        (
            shared("providers"),
            shared("models"),
        ),
        (("id",),),
    ),
    TableScopes(
        "search_documents", (owned("conversations", "user_id"),), (("id",), ("message_id",))
    ),
    TableScopes("streams", (owned("conversations", "user_id"),), (("id",),)),
    TableScopes(
        "usage_rollups",
        (
            owned("analytics", "user_id"),
            owned("analytics", "workspace_id"),
            everyones("analytics", stripes=16),
        ),
        (("day", "user_id", "key_id", "workspace_id", "provider_id", "model_id"),),
    ),
    TableScopes(
        "users",
        (
            owned("users", "id"),
            everyones("users"),
            related("permissions", "secret_hash", of="api_keys", refers="user_id"),
            related("workspaces", "workspace_id", of="workspace_members", refers="user_id"),
        ),
        (("email",), ("id",)),
    ),
    TableScopes(
        "workspace_members",
        (
            owned("workspaces", "workspace_id"),
            owned("workspaces", "user_id"),
            owned("users", "user_id"),
        ),
        (("workspace_id", "user_id"),),
    ),
    TableScopes(
        "workspaces",
        (
            owned("workspaces", "id"),
            everyones("workspaces"),
            related("workspaces", "user_id", of="workspace_members", refers="workspace_id"),
            related("users", "user_id", of="workspace_members", refers="workspace_id"),
        ),
        (("id",),),
    ),
)


def upgrade() -> None:
    dialect = _dialect()
    if dialect is postgres:
        for statement in postgres.FUNCTIONS:
            _run(statement)
    for table in TABLES:
        for statement in dialect.created(table):
            _run(statement)


def downgrade() -> None:
    dialect = _dialect()
    for table in TABLES:
        for statement in dialect.dropped(table):
            _run(statement)
    if dialect is postgres:
        for statement in postgres.DROP_FUNCTIONS:
            _run(statement)


def _dialect():
    return postgres if op.get_bind().dialect.name == "postgresql" else sqlite


def _run(statement: str) -> None:
    options = {"no_parameters": True}
    op.get_bind().exec_driver_sql(statement, execution_options=options)

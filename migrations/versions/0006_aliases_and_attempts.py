"""aliases and attempts"""

import sqlalchemy as sa
from alembic import op

from database.triggers import postgres, sqlite
from database.triggers.scopes import TableScopes, shared

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ALIASES = TableScopes("model_aliases", (shared("models"),), (("id",),))


def upgrade():
    op.create_table(
        "model_aliases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("display_name", sa.String(length=300), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("capabilities", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("strategy", sa.String(length=20), nullable=False),
        sa.Column("targets", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_aliases")),
    )
    for statement in _dialect().created(ALIASES):
        _run(statement)
    op.add_column("providers", sa.Column("api_version", sa.String(length=40), nullable=True))
    # Added in place, not by a copy of the table: that would lose the ledger's guards on SQLite.
    op.add_column("ledger_records", sa.Column("alias_id", sa.String(length=64), nullable=True))
    op.add_column("ledger_records", sa.Column("attempt_of", sa.String(length=36), nullable=True))
    op.add_column(
        "ledger_records",
        sa.Column("cache_write_1h_tokens", sa.BigInteger(), server_default="0", nullable=False),
    )


def downgrade():
    op.drop_column("ledger_records", "cache_write_1h_tokens")
    op.drop_column("ledger_records", "attempt_of")
    op.drop_column("ledger_records", "alias_id")
    op.drop_column("providers", "api_version")
    for statement in _dialect().dropped(ALIASES):
        _run(statement)
    op.drop_table("model_aliases")


def _dialect():
    return postgres if op.get_bind().dialect.name == "postgresql" else sqlite


def _run(statement):
    options = {"no_parameters": True}
    op.get_bind().exec_driver_sql(statement, execution_options=options)

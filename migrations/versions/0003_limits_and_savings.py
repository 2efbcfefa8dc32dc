"""limits of keys, and what the response cache saved"""

import sqlalchemy as sa
from alembic import op


revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Added one by one, not in a batch: that would make the append-only ledger anew, without its guards.
COLUMNS = (
    ("api_keys", "max_concurrent_streams", sa.Integer(), None),
    ("api_keys", "response_cache_ttl_s", sa.Integer(), None),
    ("models", "response_cache_ttl_s", sa.Integer(), None),
    ("ledger_records", "saved_usd", sa.BigInteger(), None),
    ("usage_rollups", "cache_hits", sa.BigInteger(), "0"),
    ("usage_rollups", "saved_usd", sa.BigInteger(), "0"),
)


def upgrade() -> None:
    for table, name, kind, default in COLUMNS:
        is_nullable = default is None
        column = sa.Column(name, kind, nullable=is_nullable, server_default=default)
        op.add_column(table, column)


def downgrade() -> None:
    for table, name, _, _ in reversed(COLUMNS):
        op.drop_column(table, name)

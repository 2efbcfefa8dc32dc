"""streams to be stopped"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_streams_running", "streams"


def upgrade():
    _replace(["is_stop_requested", "started_at"])


def downgrade():
    _replace(["started_at"])


def _replace(columns):
    running = sa.text("status = 'running'")
    op.drop_index(INDEX, TABLE)
    op.create_index(INDEX, TABLE, columns, sqlite_where=running, postgresql_where=running)

"""aliases of streams"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    # Added in place, not by a copy of the table: that would lose the table's triggers on SQLite.
    op.add_column("streams", sa.Column("alias_id", sa.String(length=64), nullable=True))


def downgrade():
    op.drop_column("streams", "alias_id")

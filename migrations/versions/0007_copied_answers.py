"""copied answers"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade():
    # Added in place, not by a copy of the table: that would lose the table's triggers on SQLite.
    op.add_column("streams", sa.Column("copy_of", sa.String(length=36), nullable=True))


def downgrade():
    op.drop_column("streams", "copy_of")

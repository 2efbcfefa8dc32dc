"""the cache's figures by the minute and by the hour"""

import sqlalchemy as sa
from alembic import op


revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "cache_windows",
        sa.Column("instance", sa.String(length=100), nullable=False),
        sa.Column("span_s", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", sa.JSON(none_as_null=True), nullable=False),
        sa.PrimaryKeyConstraint("instance", "span_s", "began_at", name=op.f("pk_cache_windows")),
    )


def downgrade():
    op.drop_table("cache_windows")

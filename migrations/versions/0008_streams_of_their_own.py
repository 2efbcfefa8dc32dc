"""streams of their own"""

from alembic import op

from database.generations import bump
from database.triggers import postgres, sqlite
from database.triggers.scopes import TableScopes, owned
from telemetry.clock import SYSTEM_CLOCK

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

KEYS = (("id",),)
AMONG_CONVERSATIONS = TableScopes("streams", (owned("conversations", "user_id"),), KEYS)
OF_THEIR_OWN = TableScopes("streams", (owned("streams", "user_id"),), KEYS)


def upgrade():
    _replace(AMONG_CONVERSATIONS, OF_THEIR_OWN)


def downgrade():
    _replace(OF_THEIR_OWN, AMONG_CONVERSATIONS)


def _replace(before, after):
    dialect = postgres if op.get_bind().dialect.name == "postgresql" else sqlite
    for statement in (*dialect.dropped(before), *dialect.created(after)):
        _run(statement)
    # What was cached under the scopes before would not be raised by these triggers.
    bump(op.get_bind(), {"*": 1}, SYSTEM_CLOCK)


def _run(statement):
    options = {"no_parameters": True}
    op.get_bind().exec_driver_sql(statement, execution_options=options)

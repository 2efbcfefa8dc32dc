"""Append-only tables: the database itself refuses."""

import pytest
from sqlalchemy import delete, update

from database.append_only import guard_statements, release_statements
from database.session import db
from database.tables.platform import AuditLog
from services.errors import Conflict
from services.unit_of_work import unit_of_work
from tests.factories.audit_logs import make_records


@pytest.mark.parametrize(
    "statement", [update(AuditLog).values(action="x"), delete(AuditLog)], ids=["update", "delete"]
)
def test_a_record_can_be_neither_changed_nor_deleted(app, statement):
    """No code path, present or future, rewrites history."""
    make_records(app, ["model.changed"])

    with app.app_context(), pytest.raises(Conflict), unit_of_work() as work:
        work.session.execute(statement)


def test_a_migration_can_release_what_it_guarded(app):
    """Downgrades drop the table with its guards and can make both again."""
    with app.app_context(), db.engine.begin() as connection:
        dialect = connection.dialect.name
        for statement in release_statements("audit_logs", dialect):
            connection.exec_driver_sql(statement)
        for statement in guard_statements("audit_logs", dialect):
            connection.exec_driver_sql(statement)


def test_postgresql_has_its_own_words():
    """One trigger on a function there, two triggers on SQLite."""
    assert "EXECUTE FUNCTION audit_logs_refuse()" in guard_statements("audit_logs", "postgresql")[1]
    assert len(guard_statements("audit_logs", "sqlite")) == 2

"""Tables that are only ever added to: triggers refuse every UPDATE and DELETE.

They are made with the table (`Base.metadata.create_all`), and by the migration through
`guard_statements`, so that both ways give the same database.
"""

from sqlalchemy import DDL, Table, event

__all__ = ["guard", "guard_statements", "release_statements"]

SQLITE = """\
CREATE TRIGGER {table}_refuse_{verb} BEFORE {VERB} ON {table}
BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"""
POSTGRESQL_FUNCTION = """\
CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END $$"""
POSTGRESQL = """\
CREATE TRIGGER {table}_refuse BEFORE UPDATE OR DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"""


def guard_statements(table: str, dialect: str) -> tuple[str, ...]:
    """The statements that make `table` append-only on `dialect`, for a migration too."""
    if dialect == "postgresql":
        return tuple(each.format(table=table) for each in (POSTGRESQL_FUNCTION, POSTGRESQL))
    return tuple(
        SQLITE.format(table=table, verb=verb, VERB=verb.upper()) for verb in ("update", "delete")
    )


def release_statements(table: str, dialect: str) -> tuple[str, ...]:
    """What a migration runs before it drops a guarded `table`."""
    if dialect == "postgresql":
        return (f"DROP TRIGGER {table}_refuse ON {table}", f"DROP FUNCTION {table}_refuse()")
    return tuple(f"DROP TRIGGER {table}_refuse_{verb}" for verb in ("update", "delete"))


def guard(table: Table) -> None:
    """Have `table` guarded wherever it is created."""
    for dialect in ("sqlite", "postgresql"):
        for statement in guard_statements(table.name, dialect):
            ddl = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap
            event.listen(table, "after_create", ddl.execute_if(dialect=dialect))

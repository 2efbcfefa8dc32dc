"""The triggers on SQLite: each written row raises its scopes at once.

There is one writer at a time, so nobody waits for a generation's row. `REPLACE` removes rows
without their triggers unless `recursive_triggers` is on, which SQLite's own shell leaves off: the
scopes of rows that are about to be replaced are raised before.
"""

from collections.abc import Iterable

from database.triggers.scopes import Scopes, TableScopes

__all__ = ["BUMP", "created", "dropped"]

NOW_US = (
    "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
    " + CAST(substr(strftime('%f', 'now'), 4) AS INTEGER) * 1000"
)
"""The clock in microseconds, in the milliseconds that every version of SQLite has."""
RAISE = f"""\
INSERT INTO cache_generations(scope, generation, bumped_us)
SELECT {{scope}}, {NOW_US}, {NOW_US}{{source}}
ON CONFLICT(scope) DO UPDATE
SET generation = max(generation + 1, excluded.generation), bumped_us = excluded.bumped_us;"""
BUMP = """\
INSERT INTO cache_generations(scope, generation, bumped_us) VALUES (?, ?, ?)
ON CONFLICT(scope) DO UPDATE
SET generation = max(generation + 1, excluded.generation), bumped_us = excluded.bumped_us"""
"""Raises a scope, at an instant in microseconds given twice; as the driver has it."""
MOMENTS = {
    "insert": "AFTER INSERT",
    "delete": "AFTER DELETE",
    "update": "AFTER UPDATE",
    "replace": "BEFORE INSERT",
    "displace": "BEFORE UPDATE OF {keys}",
}


def created(table: TableScopes) -> tuple[str, ...]:
    """The statements that make the triggers of `table`."""
    bodies = {
        "insert": _raised(table.scopes, "NEW"),
        "delete": _raised(table.scopes, "OLD"),
        "update": [*_raised(table.scopes, "NEW"), *_raised(table.scopes, "OLD", but="NEW")],
    }
    varying = [each for each in table.scopes if each.column]
    if varying:
        replaced = _any_of("kept.{0} = NEW.{0}", table.keys)
        bodies["replace"] = [_of_rows(each, table.table, replaced) for each in varying]
        displaced = f"kept.rowid <> OLD.rowid AND ({replaced})"
        bodies["displace"] = [_of_rows(each, table.table, displaced) for each in varying]
    keys = ", ".join(dict.fromkeys(name for key in table.keys for name in key))
    return tuple(
        f"CREATE TRIGGER {table.table}_bumps_on_{moment}"
        f" {MOMENTS[moment].format(keys=keys)} ON {table.table}\n"
        f"BEGIN\n{chr(10).join(body)}\nEND"
        for moment, body in bodies.items()
    )


def dropped(table: TableScopes) -> tuple[str, ...]:
    """The statements that take the triggers of `table` away."""
    return tuple(f"DROP TRIGGER IF EXISTS {table.table}_bumps_on_{each}" for each in MOMENTS)


def _raised(scopes: Iterable[Scopes], row: str, *, but: str = "") -> list[str]:
    """What raises the scopes of a row, as far as another one does not have the same."""
    statements = []
    for each in scopes:
        if each.fixed:
            if not but:
                statements.append(RAISE.format(scope=_fixed(each), source=" WHERE true"))
            continue
        column = each.referred or each.column
        changed = f" AND {row}.{column} IS NOT {but}.{column}" if but else ""
        if each.table:
            source = f" FROM {each.table} WHERE {each.refers} = {row}.{each.referred}{changed}"
            scope = f"'{each.namespace}:' || {each.column}"
        else:
            source = f" WHERE {row}.{column} <> ''{changed}"  # nor where it is null
            scope = f"'{each.namespace}:' || {row}.{each.column}"
        statements.append(RAISE.format(scope=scope, source=source))
    return statements


def _of_rows(each: Scopes, table: str, condition: str) -> str:
    """What raises one of the scopes of the rows of `table` that meet a condition."""
    if each.table:
        scope = f"'{each.namespace}:' || theirs.{each.column}"
        source = (
            f" FROM {table} AS kept JOIN {each.table} AS theirs"
            f" ON theirs.{each.refers} = kept.{each.referred} WHERE {condition}"
        )
    else:
        scope = f"'{each.namespace}:' || kept.{each.column}"
        source = f" FROM {table} AS kept WHERE kept.{each.column} <> '' AND ({condition})"
    return RAISE.format(scope=scope, source=source)


def _fixed(each: Scopes) -> str:
    name = f"{each.namespace}:{each.fixed}"
    return f"'{name}'" if each.stripes == 1 else f"'{name}#' || (abs(random() % {each.stripes}))"


def _any_of(comparison: str, keys: Iterable[tuple[str, ...]]) -> str:
    return " OR ".join(
        "(" + " AND ".join(comparison.format(name) for name in key) + ")" for key in keys
    )

"""The triggers on PostgreSQL: rows are noted as they are written, their scopes raised at the end.

A transaction that raised scopes as it went would hold rows that others wait for, in an order that
two transactions could disagree on: a deadlock. So `cache_note` only remembers scopes, within the
transaction (a savepoint that is rolled back takes its notes with it), and all of them are raised in
one statement and in sorted order: by the unit of work, together with what it names itself, or else
by a deferred trigger at the commit, which the first note of a transaction has queued.

The notes stand in a setting of the transaction. Who resets all settings half-way loses them: the
deferred trigger then finds none, and everything is bumped.
"""

from collections.abc import Iterable

from database.triggers.scopes import Scopes, TableScopes

__all__ = ["BUMP", "DROP_FUNCTIONS", "FUNCTIONS", "created", "dropped"]

BUMP = "SELECT cache_bump(%s, %s)"
"""Raises an array of scopes, at an instant in microseconds; as the driver has it."""
FUNCTIONS = (
    # Returns whether the note is the transaction's first. Of a statement on too many owners the
    # namespace is noted, so that the notes stay short.
    """\
CREATE OR REPLACE FUNCTION cache_note(scopes text[]) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    noted text := coalesce(current_setting('larder.noted', true), '');
    before text := noted;
    mark constant text := chr(30);
    each text;
BEGIN
    FOREACH each IN ARRAY scopes LOOP
        CONTINUE WHEN each IS NULL OR strpos(noted, mark || each || mark) > 0;
        IF length(noted) > 20000 THEN
            each := 'ns:' || split_part(each, ':', 1);
            CONTINUE WHEN strpos(noted, mark || each || mark) > 0;
        END IF;
        noted := CASE WHEN noted = '' THEN mark ELSE noted END || each || mark;
    END LOOP;
    IF noted <> before THEN
        PERFORM set_config('larder.noted', noted, true);
    END IF;
    RETURN before = '' AND noted <> '';
END $$""",
    """\
CREATE OR REPLACE FUNCTION cache_related(
    namespace text, of_table text, of_column text, refers text, value text
) RETURNS text[] LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    found text[];
BEGIN
    EXECUTE format(
        'SELECT array_agg(DISTINCT %L || %I) FROM %I WHERE %I = $1',
        namespace || ':', of_column, of_table, refers
    ) INTO found USING value;
    RETURN coalesce(found, '{}');
END $$""",
    # Raises what is asked for and what is noted. A mark remains of the notes: their deferred
    # trigger is still to come, and takes care of what is noted after this.
    """\
CREATE OR REPLACE FUNCTION cache_bump(asked text[], now_us bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    noted text := coalesce(current_setting('larder.noted', true), '');
    stripe constant text := chr(31);
BEGIN
    IF noted <> '' THEN
        PERFORM set_config('larder.noted', chr(30), true);
    END IF;
    INSERT INTO cache_generations AS kept (scope, generation, bumped_us)
    SELECT name, now_us, now_us FROM (
        SELECT unnest(asked) AS name
        UNION
        SELECT split_part(each, stripe, 1) || CASE WHEN strpos(each, stripe) > 0
            THEN '#' || floor(random() * split_part(each, stripe, 2)::int)::int ELSE '' END
        FROM unnest(string_to_array(noted, chr(30))) AS each
        WHERE each <> '' AND NOT (strpos(each, stripe) > 0 AND EXISTS (
            SELECT FROM unnest(asked) AS one
            WHERE split_part(one, '#', 1) = split_part(each, stripe, 1)))
    ) AS wanted
    ORDER BY name COLLATE "C"
    ON CONFLICT (scope) DO UPDATE SET
        generation = greatest(kept.generation + 1, excluded.generation),
        bumped_us = excluded.bumped_us;
END $$""",
    """\
CREATE OR REPLACE FUNCTION cache_bump_noted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lost boolean := coalesce(current_setting('larder.noted', true), '') = '';
BEGIN
    PERFORM cache_bump(
        CASE WHEN lost THEN ARRAY['*'] ELSE ARRAY[]::text[] END,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    );
    PERFORM set_config('larder.noted', '', true);
    RETURN NULL;
END $$""",
    # TRUNCATE has no rows to name owners by, and locks the whole table anyway.
    """\
CREATE OR REPLACE FUNCTION cache_bump_namespaces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cache_bump(
        (SELECT array_agg('ns:' || each) FROM unnest(TG_ARGV) AS each),
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
    );
    RETURN NULL;
END $$""",
)
DROP_FUNCTIONS = (
    "DROP FUNCTION IF EXISTS cache_bump_namespaces()",
    "DROP FUNCTION IF EXISTS cache_bump_noted()",
    "DROP FUNCTION IF EXISTS cache_bump(text[], bigint)",
    "DROP FUNCTION IF EXISTS cache_related(text, text, text, text, text)",
    "DROP FUNCTION IF EXISTS cache_note(text[])",
)
MOMENTS = {"insert": ("NEW",), "update": ("NEW", "OLD"), "delete": ("OLD",)}


def created(table: TableScopes) -> tuple[str, ...]:
    """The statements that make the triggers of `table`."""
    noting = tuple(
        f"CREATE CONSTRAINT TRIGGER {table.table}_bumps_on_{moment}"
        f" AFTER {moment.upper()} ON {table.table}\n"
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW\n"
        f"WHEN (cache_note({_scopes(table.scopes, rows)}))\n"
        f"EXECUTE FUNCTION cache_bump_noted()"
        for moment, rows in MOMENTS.items()
    )
    namespaces = ", ".join(f"'{each}'" for each in dict.fromkeys(_namespaces(table)))
    truncating = (
        f"CREATE TRIGGER {table.table}_bumps_on_truncate AFTER TRUNCATE ON {table.table}\n"
        f"FOR EACH STATEMENT EXECUTE FUNCTION cache_bump_namespaces({namespaces})"
    )
    return (*noting, truncating)


def dropped(table: TableScopes) -> tuple[str, ...]:
    """The statements that take the triggers of `table` away."""
    return tuple(
        f"DROP TRIGGER IF EXISTS {table.table}_bumps_on_{each} ON {table.table}"
        for each in (*MOMENTS, "truncate")
    )


def _namespaces(table: TableScopes) -> Iterable[str]:
    return (each.namespace for each in table.scopes)


def _scopes(scopes: Iterable[Scopes], rows: Iterable[str]) -> str:
    """An array of the scopes of some rows of one change, as an expression."""
    own, related = [], []
    for row in rows:
        for each in scopes:
            if each.table:
                arguments = f"'{each.namespace}', '{each.table}', '{each.column}', '{each.refers}'"
                related.append(f"cache_related({arguments}, {row}.{each.referred})")
            elif each.fixed:
                own.append(_fixed(each))
            else:
                own.append(f"'{each.namespace}:' || nullif({row}.{each.column}, '')")
    return " || ".join([f"ARRAY[{', '.join(dict.fromkeys(own))}]::text[]", *related])


def _fixed(each: Scopes) -> str:
    name = f"{each.namespace}:{each.fixed}"
    return f"'{name}'" if each.stripes == 1 else f"'{name}' || chr(31) || '{each.stripes}'"

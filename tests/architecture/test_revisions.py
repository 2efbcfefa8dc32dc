"""The migrations are one line: of two heads `flask db upgrade` takes neither."""

from alembic.script import ScriptDirectory

from tests.architecture.source import ROOT


def test_migrations_follow_one_another():
    """Two branches that each add one meet here, not at an operator's upgrade."""
    scripts = ScriptDirectory(str(ROOT / "migrations"))

    assert len(scripts.get_heads()) == 1
    assert scripts.get_bases() == ["0001"]


def test_a_migrations_file_begins_with_its_number():
    """So that the folder's order is the order in which they run."""
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    names = sorted(each.name for each in (ROOT / "migrations" / "versions").glob("*.py"))
    in_order = [each.revision for each in scripts.walk_revisions()][::-1]

    assert [name.partition("_")[0] for name in names] == in_order

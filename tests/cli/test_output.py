"""How commands speak."""

import msgspec

from cli.output import print_json, print_rows, progress_bar


def test_a_piped_table_cuts_nothing_and_obeys_no_name(capsys):
    """A cut id is of no use, and a name in brackets is not an order to paint it."""
    long_name = "provider/" + "x" * 200

    print_rows(
        [{"name": long_name, "many": ["a", "b"]}, {"name": "[bold]b[/bold]"}], ["name", "many"]
    )

    told = capsys.readouterr().out
    assert long_name in told
    assert "[bold]b[/bold]" in told
    assert "a, b" in told


def test_json_is_for_programs(capsys):
    """Every field is there, also those that a table has no column for."""
    print_rows([{"a": 1, "b": None}], ["a"], as_json=True)
    print_json({"c": "2"})

    rows, _, rest = capsys.readouterr().out.partition("]")
    assert msgspec.json.decode(rows + "]") == [{"a": 1, "b": None}]
    assert msgspec.json.decode(rest) == {"c": "2"}


def test_a_bar_keeps_off_the_result(capsys):
    """Standard output belongs to what was asked for."""
    with progress_bar(shown=False) as progress:
        seen = list(progress.track([1, 2], description="Counting"))

    assert seen == [1, 2]
    assert capsys.readouterr().out == ""

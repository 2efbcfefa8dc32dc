"""How commands speak: a table for people, JSON for programs, a bar where it is long."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

__all__ = ["json_option", "print_json", "print_rows", "progress_bar"]

PIPED_WIDTH = 1000
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
"""The option that every command has which prints anything."""


def print_json(value: Any) -> None:
    """`value` as one JSON document."""
    click.echo(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool = False
) -> None:
    """Rows as a table of `columns`, or all of them as JSON."""
    if as_json:
        print_json(list(rows))
        return
    table = Table(*(Column(name, overflow="fold") for name in columns))
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console = Console(markup=False)  # names come from other people
    if not console.is_terminal:
        console.width = PIPED_WIDTH  # a file or another program wants whole lines
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)


@contextmanager
def progress_bar(*, shown: bool = True) -> Iterator[Progress]:
    """A bar on standard error, which leaves standard output to the result."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    )  # fmt: skip
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, disable=not shown) as progress:
        yield progress

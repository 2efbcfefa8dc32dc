"""The words in which a table says what its rows are cached under."""

from dataclasses import dataclass

__all__ = ["Scopes", "TableScopes", "everyones", "owned", "related", "shared"]


@dataclass(frozen=True, slots=True)
class Scopes:
    """One scope of each row, or of the rows of another table that belong to it.

    Attributes:
        namespace: the part before the colon.
        column: the column whose value comes after it; a row without a value has no such scope.
        fixed: what comes after it instead, the same for all rows.
        stripes: how many rows of generations a fixed scope has; a write raises one of them.
        table: the other table, if `column` is one of its columns.
        refers: the column of that table that refers to this one.
        referred: the column of this table that it refers to.
    """

    namespace: str
    column: str = ""
    fixed: str = ""
    stripes: int = 1
    table: str = ""
    refers: str = ""
    referred: str = ""


@dataclass(frozen=True, slots=True)
class TableScopes:
    """A table with the scopes of its rows, and the sets of columns that are unique in it."""

    table: str
    scopes: tuple[Scopes, ...]
    keys: tuple[tuple[str, ...], ...]


def owned(namespace: str, column: str) -> Scopes:
    """The scope of the owner that `column` has."""
    return Scopes(namespace, column)


def shared(namespace: str) -> Scopes:
    """The one scope of a public namespace."""
    return Scopes(namespace, fixed="all")


def everyones(namespace: str, *, stripes: int = 1) -> Scopes:
    """The scope of the views over everyone, striped as the namespace says."""
    return Scopes(namespace, fixed="everyone", stripes=stripes)


def related(namespace: str, column: str, *, of: str, refers: str, referred: str = "id") -> Scopes:
    """The scopes of the rows of the table `of` whose column `refers` has this row's `referred`."""
    return Scopes(namespace, column, table=of, refers=refers, referred=referred)

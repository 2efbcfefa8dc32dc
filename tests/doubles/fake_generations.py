"""Generations in a dictionary instead of a table."""

from collections.abc import Mapping, Sequence

__all__ = ["FakeGenerations"]


class FakeGenerations:
    """The database's side of the generations; notes what it was asked."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.asked: list[tuple[str, ...]] = []
        self.fault: Exception | None = None

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The generation of each row; 0 if missing."""
        if self.fault is not None:
            raise self.fault
        self.asked.append(tuple(scopes))
        return {scope: self.rows.get(scope, 0) for scope in scopes}

    def bump(self, scopes: Sequence[str]) -> None:
        """Raise these rows."""
        for scope in scopes:
            self.rows[scope] = self.rows.get(scope, 0) + 1

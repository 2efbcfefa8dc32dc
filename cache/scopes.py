"""Scopes: what a write changes and an entry depends on; owners are types, not just text."""

from dataclasses import dataclass
from typing import NewType

__all__ = ["EVERYONE", "STRIPE", "Everyone", "KeyHash", "Scope", "UserId", "WorkspaceId"]

UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
KeyHash = NewType("KeyHash", str)
Everyone = NewType("Everyone", str)

EVERYONE = Everyone("everyone")
"""The owner of views over all users, for namespaces that have such views."""

STRIPE = "#"


@dataclass(frozen=True, slots=True)
class Scope:
    """A name with a generation.

    A striped one has several rows: a write raises one of them at random, a read compares all, so
    that a hot shared scope is no bottleneck.
    """

    name: str
    stripes: int = 1

    def rows(self) -> tuple[str, ...]:
        """The names of its generation rows."""
        if self.stripes == 1:
            return (self.name,)
        return tuple(f"{self.name}{STRIPE}{number}" for number in range(self.stripes))

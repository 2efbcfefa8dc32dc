"""Scopes: what a write changes and an entry depends on; owners are types, not just text."""

import re
from dataclasses import dataclass
from typing import NewType

__all__ = [
    "EVERYONE",
    "STRIPE",
    "Everyone",
    "KeyHash",
    "Scope",
    "SharedName",
    "UserId",
    "WorkspaceId",
    "shared_name",
]

UserId = NewType("UserId", str)
WorkspaceId = NewType("WorkspaceId", str)
KeyHash = NewType("KeyHash", str)
Everyone = NewType("Everyone", str)
SharedName = NewType("SharedName", str)

EVERYONE = Everyone("everyone")
"""The owner of views over all users, for namespaces that have such views."""

STRIPE = "#"
SHARED = "shared-"
SHARABLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


def shared_name(name: str) -> SharedName:
    """The owner of what several tenants share under a declared name; never equal to a tenant's id.

    Args:
        name: up to 64 small letters, digits, `-` and `_`.

    Raises:
        ValueError: it is something else.
    """
    if not SHARABLE.fullmatch(name):
        raise ValueError("a shared name has 1 to 64 of a-z, 0-9, - and _")
    return SharedName(SHARED + name)


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

"""Routes whose URL builders are compiled once a session instead of once an application.

Werkzeug compiles two functions a route from source: half of what a fresh application takes.
"""

from collections.abc import Callable
from typing import ClassVar

from werkzeug.routing import Rule

__all__ = ["QuickRule"]

Builder = Callable[..., tuple[str, str]]


class QuickRule(Rule):
    """A rule like any other; what is compiled knows its rule as an argument only."""

    _compiled: ClassVar[dict[tuple[object, ...], Builder]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        key = (self.rule, tuple(self._trace), repr(self.defaults), append_unknown)
        known = self._compiled.get(key)
        if known is None:
            known = self._compiled[key] = super()._compile_builder(append_unknown)
        return known

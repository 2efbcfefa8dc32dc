"""What is fresh, as the database says it: one SELECT a request for all its scopes.

Within a request the generations are read once, before any entry is looked at; reads outside a
request ask each time. Which scopes a caller's request will need is guessed from its last one, so
that the one SELECT has them all; a wrong guess costs a second one, never a stale answer.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from flask import g, has_request_context, request

from cache.scopes import Scope

__all__ = ["GenerationStore", "Generations", "Stamp"]

Stamp = Mapping[str, int]
MEMO = "larder_generations"
MAX_GUESSES = 10_000


class GenerationStore(Protocol):
    """The database's side."""

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The committed generation of each row, on a snapshot that begins now; 0 if missing."""
        ...

    def bump(self, scopes: Sequence[str]) -> None:
        """Raise these rows, in a transaction of its own."""
        ...


class Generations:
    """Reads generations through the memo of the request."""

    def __init__(self, store: GenerationStore) -> None:
        self.store = store
        self._lock = threading.Lock()
        self._guesses: OrderedDict[int, frozenset[str]] = OrderedDict()

    def stamp(self, scopes: Iterable[Scope]) -> Stamp:
        """The generation of every row of `scopes`, read after the request began.

        Raises:
            Exception: whatever the store raises when the database is away.
        """
        rows = [row for scope in scopes for row in scope.rows()]
        if not has_request_context():
            return self.store.current(rows)
        memo: dict[str, int] | None = g.get(MEMO)
        if memo is None:
            memo = dict(self.store.current(list({*rows, *self._guess()})))
            setattr(g, MEMO, memo)
        missing = [row for row in rows if row not in memo]
        if missing:
            memo.update(self.store.current(missing))
            self._learn(memo)
        return {row: memo[row] for row in rows}

    def now(self, scopes: Iterable[Scope]) -> Stamp:
        """The generations as they are at this moment, past the memo of the request."""
        return self.store.current([row for scope in scopes for row in scope.rows()])

    def forget(self) -> None:
        """Have the rest of the request read anew: it has written."""
        if has_request_context():
            g.pop(MEMO, None)

    def bump(self, scopes: Iterable[Scope]) -> None:
        """Raise one row of each scope, outside any unit of work."""
        self.store.bump([scope.rows()[0] for scope in scopes])
        self.forget()

    def _caller(self) -> int:
        return hash((request.endpoint, request.headers.get("Authorization"), request.path))

    def _guess(self) -> frozenset[str]:
        with self._lock:
            return self._guesses.get(self._caller(), frozenset())

    def _learn(self, memo: Mapping[str, int]) -> None:
        with self._lock:
            caller = self._caller()
            self._guesses[caller] = frozenset(memo)
            self._guesses.move_to_end(caller)
            while len(self._guesses) > MAX_GUESSES:
                self._guesses.popitem(last=False)

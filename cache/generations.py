"""What is fresh, as the database says it: one SELECT a request for all its scopes.

Within a request the generations are read once, before any entry is looked at; reads outside a
request ask each time. Which scopes a caller's request will need is guessed from its last one, so
that the one SELECT has them all; a wrong guess costs a second one, never a stale answer.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flask import g, has_request_context, request

from cache.scopes import Scope

__all__ = ["GenerationStore", "Generations", "Stamp"]

Stamp = Mapping[str, int]
MEMO = "larder_generations"
MAX_GUESSES = 10_000
MAX_GUESSED_ROWS = 64
"""A request that needs more is asked in two; a guess is never worth a long SELECT."""


class GenerationStore(Protocol):
    """The database's side."""

    def current(self, scopes: Sequence[str]) -> Mapping[str, int]:
        """The committed generation of each row, on a snapshot that begins now; 0 if missing."""
        ...

    def bump(self, scopes: Sequence[str]) -> None:
        """Raise these rows, in a transaction of its own."""
        ...


@dataclass(slots=True)
class _Memo:
    """What one request has read, and which rows it has asked for, also before it wrote."""

    known: dict[str, int] | None = None
    used: set[str] = field(default_factory=set)
    is_guess_wrong: bool = False


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
        memo: _Memo | None = g.get(MEMO)
        if memo is None:
            memo = _Memo()
            setattr(g, MEMO, memo)
        known = memo.known
        if known is None:
            known = memo.known = dict(self.store.current(list({*rows, *self._guess()})))
        missing = [row for row in rows if row not in known]
        if missing:
            known.update(self.store.current(missing))
            memo.is_guess_wrong = True
        memo.used.update(rows)
        if memo.is_guess_wrong:
            self._learn(memo.used)
        return {row: known[row] for row in rows}

    def now(self, scopes: Iterable[Scope]) -> Stamp:
        """The generations as they are at this moment, past the memo of the request."""
        return self.store.current([row for scope in scopes for row in scope.rows()])

    def forget(self) -> None:
        """Have the rest of the request read anew: it has written."""
        memo: _Memo | None = g.get(MEMO) if has_request_context() else None
        if memo is not None:
            memo.known = None

    def bump(self, scopes: Iterable[Scope]) -> None:
        """Raise one row of each scope, outside any unit of work."""
        self.store.bump([scope.rows()[0] for scope in scopes])
        self.forget()

    def _caller(self) -> int:
        said = request.headers.get
        return hash((request.endpoint, said("Authorization"), said("X-Api-Key"), request.path))

    def _guess(self) -> frozenset[str]:
        with self._lock:
            return self._guesses.get(self._caller(), frozenset())

    def _learn(self, used: set[str]) -> None:
        """Guess what this request used, and nothing that only its guess had: that would grow."""
        caller = self._caller()
        with self._lock:
            self._guesses.pop(caller, None)
            if len(used) <= MAX_GUESSED_ROWS:
                self._guesses[caller] = frozenset(used)
            while len(self._guesses) > MAX_GUESSES:
                self._guesses.popitem(last=False)

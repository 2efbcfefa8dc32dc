"""Where in a text the words of a search stand, as HTML: escaped, with `<mark>` around them.

Made here and not by the databases, so that each gives the same snippets.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from html import escape

from database.search.words import Term, Word, start_of_first, words_in

__all__ = ["highlight", "snippet"]

BEFORE_CHARS = 50
WINDOW_CHARS = 180
WHITESPACE = re.compile(r"\s+")
Place = tuple[int, int]


def highlight(text: str, terms: Sequence[Term]) -> str:
    """All of `text`, every place of `terms` marked."""
    return _marked(text, list(_places(text, terms)), 0, len(text))


def snippet(text: str, terms: Sequence[Term]) -> str:
    """About 180 characters of `text` around the first place of `terms`, cut between words."""
    places = list(_places(text, terms, within=WINDOW_CHARS))
    first = places[0] if places else (0, 0)
    start = _cut_before(text, max(0, first[0] - BEFORE_CHARS), first[0])
    end = _cut_after(text, max(start + WINDOW_CHARS, first[1]), first[1])
    shown = [(begin, min(last, end)) for begin, last in places if begin < end]
    middle = WHITESPACE.sub(" ", _marked(text, shown, start, end)).strip()
    return f"{'…' if start else ''}{middle}{'…' if end < len(text) else ''}"


def _places(text: str, terms: Sequence[Term], *, within: int | None = None) -> Iterator[Place]:
    """Where each of `terms` stands, by the end, up to `within` characters behind the first one.

    Places may overlap.
    """
    recent: deque[Word] = deque(maxlen=max((len(term.words) for term in terms), default=0))
    limit = len(text)
    for word in words_in(text, start_of_first(text, terms)):
        if word.start > limit:
            return
        recent.append(word)
        for term in terms:
            if not word.folded.startswith(term.words[-1]):
                continue
            said = list(recent)[-len(term.words) :]
            if _is_said(term, said):
                limit = limit if within is None else min(limit, word.end + within)
                yield said[0].start, word.end


def _is_said(term: Term, said: Sequence[Word]) -> bool:
    folded = tuple(word.folded for word in said)
    if not term.is_open:
        return folded == term.words
    return (
        len(folded) == len(term.words)
        and folded[:-1] == term.words[:-1]
        and folded[-1].startswith(term.words[-1])
    )


def _marked(text: str, places: Sequence[Place], start: int, end: int) -> str:
    parts: list[str] = []
    at = start
    for begin, last in _joined(places):
        parts += [escape(text[at:begin]), "<mark>", escape(text[begin:last]), "</mark>"]
        at = last
    return "".join([*parts, escape(text[at:end])])


def _joined(places: Sequence[Place]) -> list[Place]:
    """Places that overlap made one."""
    joined: list[Place] = []
    for begin, last in sorted(places):
        if joined and begin < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((begin, last))
    return joined


def _cut_before(text: str, at: int, limit: int) -> int:
    """The first beginning of a word from `at` on, not behind `limit`."""
    if at == 0:
        return 0
    gap = WHITESPACE.search(text, at, limit)
    return gap.end() if gap else at


def _cut_after(text: str, at: int, limit: int) -> int:
    """The last end of a word up to `at`, not before `limit`."""
    if at >= len(text):
        return len(text)
    gaps = list(WHITESPACE.finditer(text, limit, at + 1))
    return gaps[-1].start() if gaps else at

"""Text as words to be found by: the same words whichever database keeps them.

Folding is done here and not by the databases, whose tokenisers disagree: compatibility forms and
case are folded, accents dropped, everything but letters and digits parts words, and each
ideograph or kana is a word of its own (a run of them is searched as a phrase).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

__all__ = [
    "MAX_TEXT_CHARS",
    "MAX_WORD_CHARS",
    "Term",
    "Word",
    "body_of",
    "parse_terms",
    "start_of_first",
    "words_in",
]

MAX_WORD_CHARS = 64
"""A longer word is cut, in texts and queries alike."""
MAX_TEXT_CHARS = 200_000
"""What is searched of one text; four bytes each stay below PostgreSQL's megabyte for a tsvector."""
MIN_PREFIX_CHARS = 2
PIECE_CHARS = 2000
MAX_FOLDED_KEPT = 10_000
ZERO_WIDTH_SPACE = "\u200b"
ENCLOSING_MARK = "Me"
FORMAT_SIGN = "Cf"
VARIATION_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
WORDS_ALONE = (
    range(0x3040, 0x3100),  # kana
    range(0x31F0, 0x3200),
    range(0x3400, 0x4DC0),  # ideographs
    range(0x4E00, 0xA000),
    range(0x20000, 0x40000),
)


@dataclass(frozen=True, slots=True)
class Term:
    """Words that must follow one another; of an open term the last may go on."""

    words: tuple[str, ...]
    is_open: bool = False

    @property
    def pattern(self) -> str:
        """What a body contains that has this term."""
        return f" {' '.join(self.words)}" + ("" if self.is_open else " ")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and where in the text it stands."""

    folded: str
    start: int
    end: int


class _Folding(dict[int, str]):
    """Each character's folded form, found once; for `str.translate`."""

    def __missing__(self, codepoint: int) -> str:
        folded = _fold(chr(codepoint))
        if len(self) < MAX_FOLDED_KEPT:
            self[codepoint] = folded
        return folded


def _fold(char: str) -> str:
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    return "".join(_part(each) for each in spread)


def _part(char: str) -> str:
    codepoint = ord(char)
    if char.isalnum():
        return f" {char} " if any(codepoint in each for each in WORDS_ALONE) else char
    kind = unicodedata.category(char)
    if kind[0] == "M":
        is_accent = unicodedata.combining(char) or kind == ENCLOSING_MARK
        is_dropped = is_accent or any(codepoint in each for each in VARIATION_SELECTORS)
        return "" if is_dropped else char  # a vowel sign is part of its word
    return "" if kind == FORMAT_SIGN and char != ZERO_WIDTH_SPACE else " "


_FOLDING = _Folding()


def _split(text: str) -> list[str]:
    return [word[:MAX_WORD_CHARS] for word in text.translate(_FOLDING).split()]


def body_of(text: str) -> str:
    """The folded words of `text`, with one space before, between and after them; empty for none."""
    folded = " ".join(_split(text[:MAX_TEXT_CHARS]))
    if len(folded) > MAX_TEXT_CHARS:
        folded = folded[:MAX_TEXT_CHARS].rsplit(" ", 1)[0]
    return f" {folded} " if folded else ""


def words_in(text: str, start: int = 0) -> Iterator[Word]:
    """The words of `text` in order, each with its place; the same words as in `body_of`.

    Args:
        text: in which they stand.
        start: the place to begin at, where no word is cut.
    """
    pieces = (
        (piece, at)
        for at, char in enumerate(text[start:MAX_TEXT_CHARS], start)
        for piece in _FOLDING[ord(char)]
    )
    for is_gap, run in groupby(pieces, key=lambda piece: piece[0] == " "):
        if not is_gap:
            letters = list(run)
            word = "".join(letter for letter, _ in letters)[:MAX_WORD_CHARS]
            yield Word(word, letters[0][1], letters[-1][1] + 1)


def start_of_first(text: str, terms: Sequence[Term]) -> int:
    """A place in `text` from which on to go through its words: no term begins before it.

    It is little before the first one. Found so, a long text takes a twentieth of the time.
    """
    body = body_of(text)
    found = [at for term in terms if (at := body.find(term.pattern)) >= 0]
    if not found:
        return 0
    words_before = body.count(" ", 1, min(found) + 1)
    start = 0
    while (end := _gap_from(text, start + PIECE_CHARS)) < len(text):
        count = len(_split(text[start:end]))
        if count > words_before:
            break
        words_before -= count
        start = end
    return start


def _gap_from(text: str, at: int) -> int:
    """The first place from `at` on where no word is cut."""
    while at < len(text) and not _FOLDING[ord(text[at])].startswith(" "):
        at += 1
    return at


def parse_terms(query: str) -> tuple[Term, ...]:
    """The terms of what somebody typed: all are to be found.

    What stands in double quotes is a phrase, and so are words that punctuation joins (`e-mail`);
    the last word, unless it is quoted or followed by a space, may be the beginning of one. There
    are no operators.
    """
    terms: list[Term] = []
    for place, part in enumerate(query.split('"')):
        pieces = [part] if place % 2 else part.split()
        terms.extend(Term(tuple(words)) for words in map(_split, pieces) if words)
    is_typing = not query.endswith('"') and query == query.rstrip() and query.count('"') % 2 == 0
    if terms and is_typing and len(terms[-1].words[-1]) >= MIN_PREFIX_CHARS:
        terms[-1] = Term(terms[-1].words, is_open=True)
    return tuple(dict.fromkeys(terms))

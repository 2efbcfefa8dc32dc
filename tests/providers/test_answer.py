"""An answer that comes as events: what came together, how it ends, and when it has begun."""

from collections.abc import Iterator

import pytest

from providers.answer import END, Answer, streamed
from providers.protocol import SILENCE, Chunk, ProviderBroken, ProviderMalformed, ProviderTimeout
from providers.sse import ServerEvent


class FakeReply:
    """The bytes of a body as they come; exceptions among them are raised."""

    def __init__(self, *steps: bytes | Exception) -> None:
        self._steps = steps
        self.is_closed = self.is_hurried = False
        self.began_after = 0
        self.read = 0

    def pieces(self, *, says_silence: bool) -> Iterator[bytes]:
        """What comes, piece by piece; closed behind the last, as a reply is."""
        assert says_silence
        for step in self._steps:
            if isinstance(step, Exception):
                raise step
            self.read += 1
            yield step
        self.close()

    def whole(self, pieces: Iterator[bytes]) -> bytes:
        """All that comes."""
        return b"".join(pieces)

    def note_beginning(self) -> None:
        """Note after which piece that was."""
        self.began_after = self.began_after or self.read

    def hurry(self) -> None:
        """Note it."""
        self.is_hurried = True

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def _chunk_of(event: ServerEvent) -> Chunk | None:
    word = event.data.decode()
    if word == "bad":
        raise ProviderMalformed("bad")
    if word == "last":
        return Chunk(finish_reason="stop")
    if word == "role":
        return Chunk()
    return {"end": END, "ping": None}.get(word, Chunk(text=word))


def _events(*words: str) -> bytes:
    return "".join(f"data: {word}\n\n" for word in words).encode()


def _streamed(reply: FakeReply) -> Iterator[Chunk]:
    def chunk_of_whole(raw: bytes) -> Chunk:
        return Chunk(text=raw.decode(), finish_reason="whole")

    return streamed(reply, _chunk_of, chunk_of_whole)  # type: ignore[arg-type]  # it does what a reply does


def _read(reply: FakeReply) -> list[tuple[str, bool]]:
    """The chunks' texts, and whether each is followed; also of an answer that fails."""
    seen: list[tuple[str, bool]] = []
    for chunk in _streamed(reply):
        if chunk is SILENCE:
            continue
        seen.append((chunk.text or str(chunk.finish_reason), chunk.is_followed))
        chunk.text = "seen"  # too late: it was handed on
    return seen


def test_what_came_together_is_marked_but_for_its_last():
    """Readers are woken once for all of it, and never wait for what has not come."""
    reply = FakeReply(_events("a", "b", "ping"), _events("c"), _events("last", "end"))

    assert _read(reply) == [("a", True), ("b", False), ("c", False), ("stop", False)]


def test_the_last_event_ends_it_and_lets_the_connection_serve_on():
    """What may come behind it is read if it is there, and not waited for."""
    reply = FakeReply(_events("a", "last", "end", "x"), b"rest", b"more")

    assert [word for word, _ in _read(reply)] == ["a", "stop"]
    assert (reply.is_hurried, reply.read, reply.is_closed) == (True, 2, True)


@pytest.mark.parametrize("words", [["end"], ["ping", "end"], ["role", "end"]])
def test_an_answer_that_only_ends_is_none(words):
    """Kept as one, it would be an empty message; broken, it may be had by another try."""
    reply = FakeReply(_events(*words))

    with pytest.raises(ProviderBroken, match="was empty"):
        list(_streamed(reply))

    assert reply.is_closed


def test_what_came_before_a_fault_is_handed_on_first():
    """Though it came in the same piece."""
    reply = FakeReply(_events("a", "b", "bad", "c"))
    chunks = _streamed(reply)

    assert [next(chunks).text, next(chunks).text] == ["a", "b"]
    with pytest.raises(ProviderMalformed):
        next(chunks)
    assert reply.is_closed


@pytest.mark.parametrize(
    "pieces",
    [[b'{"a": 1}'], [b"[1", b"2]"], [b"", b"\xef", b"\xbb\xbf\r\n", b" {", b"}", b"", b"\n"]],
)
def test_an_answer_that_begins_as_json_is_one_value(pieces):
    """However it is cut; the blanks before it are not of it."""
    reply = FakeReply(*pieces)

    (chunk,) = _streamed(reply)

    assert chunk.text == b"".join(pieces).decode("utf-8-sig").lstrip()
    assert reply.is_closed


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n\n", b": {\n", b""])
def test_an_answer_that_begins_otherwise_is_events(before):
    """Whatever comes before the first."""
    assert _read(FakeReply(before, _events("a", "last", "end")))[0] == ("a", True)


@pytest.mark.parametrize("fault", [ProviderBroken("gone"), None])
def test_only_an_answer_that_said_its_reason_may_break_off(fault):
    """Some providers close without a goodbye; that is an end only behind the end."""
    steps = [] if fault is None else [fault]

    assert _read(FakeReply(_events("a", "last"), *steps))[-1] == ("stop", False)
    with pytest.raises(ProviderBroken):
        _read(FakeReply(_events("a"), *steps))


def test_a_wait_that_is_too_long_is_one_whatever_was_said():
    """It is no end."""
    with pytest.raises(ProviderTimeout):
        _read(FakeReply(_events("a", "last"), ProviderTimeout("late")))


def test_pings_are_no_beginning():
    """The reply holds the first token to its limit until it is there."""
    reply = FakeReply(b": ping\n\n", _events("ping"), _events("a"), _events("last", "end"))

    _read(reply)

    assert reply.began_after == 3


def test_an_answer_gives_its_chunks_and_closes_its_reply():
    """As the engine reads it."""
    reply = FakeReply()
    answer = Answer(reply, iter([Chunk(text="a"), Chunk(text="b")]))  # type: ignore[arg-type]

    assert next(answer).text == "a"
    assert [each.text for each in answer] == ["b"]
    answer.close()
    assert reply.is_closed


@pytest.mark.parametrize("quiet", [b"", b": ping\n\n", _events("ping"), b"data: hal"])
def test_what_brings_no_chunk_is_said(quiet):
    """So that whoever hands the answer on can give a sign of life, when it is time."""
    reply = FakeReply(_events("a"), quiet, b"\n\n", _events("last", "end"))

    chunks = list(_streamed(reply))

    assert chunks[0].text == "a"
    assert chunks[1] is SILENCE
    assert chunks[-1].finish_reason == "stop"

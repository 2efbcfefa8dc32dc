"""Readers: resumable at any cut, bounded, in nobody's way."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.engine import StreamEngine, StreamGone
from streams.events import Draft
from streams.logs.memory import MemoryLog
from streams.logs.replica import Replica
from streams.reading import Reader
from streams.sse import COMMENT, encode_stream, parse
from tests.streams.scripts import Answer, Script, make_engine


def body_of(engine: StreamEngine, after: int = -1) -> bytes:
    """The response's body."""
    return b"".join(encode_stream(engine.join("s", after=after).batches()))


def received(body: bytes) -> tuple[bytes, int]:
    """What a client keeps of a body that was cut: whole events, and the last id."""
    kept = body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b""
    ids = [int(event.id) for event in parse(kept)]
    return kept, ids[-1] if ids else -1


@settings(max_examples=80, deadline=None)
@given(
    texts=st.lists(st.text(max_size=20), max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=6),
)
def test_a_stream_cut_anywhere_and_resumed_equals_the_whole(texts, cuts):
    """S2, byte for byte: at any byte, any number of times."""
    engine = make_engine()
    engine.start(Answer(script=Script().say(*texts).finish()).plan()).wait(5)
    whole = body_of(engine)

    body, after = b"", -1
    for cut in cuts:
        try:
            kept, last = received(body_of(engine, after)[:cut])
        except StreamGone:
            break
        body, after = body + kept, max(after, last)
    if len(body) < len(whole):
        body += body_of(engine, after)

    assert body == whole


def test_a_reader_that_stops_reading_holds_up_nobody():
    """S6: it is a position in the log, so the others and the producer do not notice."""
    engine = make_engine()
    script = Script().say("a")
    stream = engine.start(Answer(script=script).plan())
    slow = stream.events().batches()
    next(slow)
    quick: list[bytes] = []
    reader = threading.Thread(target=lambda: quick.append(body_of(engine)))
    reader.start()

    script.say(*["b"] * 500).finish()
    stream.wait(5)
    reader.join(5)

    assert b"done" in quick[0]
    assert b"".join(encode_stream(slow)) == quick[0].partition(b"id: 2\n")[2].join(
        [b"id: 2\n", b""]
    )


def test_silence_becomes_comments():
    """The edge writes them, and finds out that a client is gone."""
    log = MemoryLog("s")
    reader = Reader(log, after=-1, heartbeat_s=0.01)
    written = encode_stream(reader.batches())

    assert next(written) == COMMENT


def test_a_cut_reader_ends_without_an_end():
    """Its client comes again; an invented `error` could contradict the real end."""
    log = Replica("s")
    log.cut()
    reader = Reader(log, after=-1, heartbeat_s=1)

    assert list(reader) == []
    assert reader.was_cut


def test_a_reader_of_a_lost_stream_is_told_under_the_next_id():
    """Also one that was ahead of what had reached Redis; and the id is noted."""
    log = Replica("s")
    log.lose(set())
    noted = []
    reader = Reader(
        log, after=7, heartbeat_s=1, on_end_of_lost=lambda *noting: noted.append(noting)
    )

    (batch,) = list(reader.batches())

    assert [(e.id, e.name, e.terminal) for e in batch] == [(8, "error", True)]
    assert b'"code":"producer_lost","retryable":true' in batch[0].data
    assert noted == [("s", 8)]
    assert not reader.was_cut


def test_a_reader_beyond_the_end_just_ends():
    """The end came while it was waiting for something after it."""
    log = MemoryLog("s")
    log.close([Draft("done", b"{}")])
    reader = Reader(log, after=3, heartbeat_s=1)

    assert list(reader) == []
    assert reader.stream_id == "s"
    assert not reader.was_cut

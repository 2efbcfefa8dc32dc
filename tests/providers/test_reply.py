"""A body as it arrives over real sockets: whole, broken off, silent, too slow."""

import gzip
import socket
import threading

import pytest

from providers import protocol
from providers.event_loop import EventLoop
from providers.reply import MAX_BODY_BYTES
from tests.doubles.senders import NotingSender
from tests.doubles.wire_server import HOLD, head, whole
from tests.streams.scripts import wait_until

CHUNKED = "Transfer-Encoding: chunked"


def _chunk(body):
    return b"%x\r\n%b\r\n" % (len(body), body)


ENDLESS = [
    [head("200 OK", CHUNKED), _chunk(b"one"), HOLD],
    [head("200 OK", "Connection: close"), b"one", HOLD],
    [head("200 OK", "Content-Length: 100"), b"one", HOLD],
]


@pytest.mark.parametrize("steps", ENDLESS)
def test_a_reply_that_is_closed_early_ends_its_connection(wire, send, steps):
    """Pieces come as they are sent; a provider must notice and stop to generate."""
    wire.replies(steps)
    reply = send()
    pieces = reply.pieces()

    first = next(pieces)
    reply.close()

    assert first == b"one"
    assert wire.hung_up.wait(10)


@pytest.mark.parametrize("steps", ENDLESS)
def test_a_reply_is_closed_from_another_thread_while_it_waits(wire, send, steps):
    """That is how a stop reaches a provider that is silent."""
    wire.replies(steps)
    reply = send()
    pieces = reply.pieces()
    next(pieces)
    failed = []

    def read_on():
        try:
            next(pieces)
        except protocol.ProviderBroken as fault:
            failed.append(fault)

    reader = threading.Thread(target=read_on)
    reader.start()
    reply.close()
    reader.join(10)

    assert len(failed) == 1


@pytest.mark.parametrize("steps", ENDLESS)
def test_a_reply_that_the_event_loop_waits_for_is_closed_afterwards(wire, send, steps):
    """A socket that is closed while it is watched ends the whole process, by libev's assertion."""
    wire.replies(steps)
    loop, faults, watched = EventLoop(), [], []
    is_held, may_go_on = threading.Event(), threading.Event()
    here, there = socket.socketpair()
    reply = send()
    pieces = reply.pieces()
    next(pieces)
    receiver, connection = reply._receiver, reply._connection  # noqa: SLF001 (seen from within)
    close = connection.close

    def note_and_close():
        watched.append(receiver._in_loop._readable.active)  # noqa: SLF001
        close()

    connection.close = note_and_close

    def read_on():
        try:
            loop.relay(pieces, NotingSender(here))
        except protocol.ProviderBroken as fault:
            faults.append(fault)

    def hold():
        is_held.set()
        may_go_on.wait(10)
        yield b""

    reader = threading.Thread(target=read_on)
    reader.start()
    wait_until(lambda: receiver._in_loop and receiver._in_loop._waiting)  # noqa: SLF001
    holder = threading.Thread(target=loop.relay, args=(hold(), NotingSender(there)))
    holder.start()
    is_held.wait(10)
    reply.close()
    may_go_on.set()
    for each in (reader, holder):
        each.join(10)
    here.close()
    there.close()

    assert len(faults) == 1
    assert watched == [False]
    assert wire.hung_up.wait(10)


def test_a_compressed_body_is_read(wire, send):
    """Some providers compress unasked."""
    wire.replies([whole(gzip.compress(b"fine"), "200 OK", "Content-Encoding: gzip")])

    assert send().whole() == b"fine"


def test_a_compressed_body_in_chunks_is_read(wire, send):
    """The two codings may come together."""
    packed = gzip.compress(b"fine")
    start = head("200 OK", CHUNKED, "Content-Encoding: gzip")
    wire.replies([start, _chunk(packed[:9]), _chunk(packed[9:]), b"0\r\n\r\n"])

    assert send().whole() == b"fine"


def test_chunks_that_arrive_together_are_handed_on_together(wire, send):
    """A burst of tokens costs one turn, not one for each."""
    chunks = b"".join(map(_chunk, (b"one", b"two", b"three")))
    wire.replies([head("200 OK", CHUNKED) + chunks + b"0\r\n\r\n"])

    assert list(send().pieces()) == [b"onetwothree"]


@pytest.mark.parametrize(
    "steps",
    [
        [head("200 OK", CHUNKED), _chunk(b"one"), b""],
        [head("200 OK", CHUNKED), b"3\r\nlonger\r\n", b""],
        [head("200 OK", CHUNKED), b"nonsense\r\n", b""],
        [head("200 OK", "Content-Length: 100"), b"too little"],
        [whole(b"no gzip at all", "200 OK", "Content-Encoding: gzip"), b""],
    ],
)
def test_a_body_that_breaks_off_is_broken(wire, send, steps):
    """Half an answer must not pass for a whole one."""
    wire.replies(steps)

    with pytest.raises(protocol.ProviderBroken):
        send().whole()


def test_a_body_without_end_is_refused(wire, send):
    """The memory is finite."""
    piece = _chunk(b"x" * 2**20)
    wire.replies([head("200 OK", CHUNKED), *[piece] * (MAX_BODY_BYTES // 2**20 + 1), HOLD])

    with pytest.raises(protocol.ProviderMalformed, match="too large"):
        send().whole()

    assert wire.hung_up.wait(10)


@pytest.mark.parametrize(
    ("steps", "limits", "words"),
    [
        ([HOLD], {"first_token_timeout_s": 0.1}, "did not answer in time"),
        (ENDLESS[0], {"between_tokens_timeout_s": 0.1}, "stopped sending"),
        (ENDLESS[1], {"between_tokens_timeout_s": 0.1}, "stopped sending"),
        (ENDLESS[2], {"between_tokens_timeout_s": 0.1}, "stopped sending"),
        (
            [head("200 OK", CHUNKED), *[_chunk(b"x"), 0.05] * 100],
            {"total_timeout_s": 0.2},
            "took too long",
        ),
    ],
)
def test_each_time_limit_ends_the_call(wire, send, steps, limits, words):
    """No first byte, a pause in the middle, a drip that never ends."""
    wire.replies(steps)

    with pytest.raises(protocol.ProviderTimeout, match=words):
        send(**limits).whole()

    assert wire.hung_up.wait(10)


PINGS = [head("200 OK", CHUNKED), *[_chunk(b": ping\n\n"), 0.05] * 100]


def test_pings_do_not_lengthen_the_wait_for_the_first_token(wire, send):
    """Else a provider that only pings would never be left for another."""
    wire.replies(PINGS)

    with pytest.raises(protocol.ProviderTimeout, match="did not answer in time"):
        list(send(first_token_timeout_s=0.3).pieces())

    assert wire.hung_up.wait(10)


def test_once_the_answer_has_begun_pings_keep_it_alive(wire, send):
    """However long the provider thinks in its middle."""
    wire.replies(PINGS)
    reply = send(first_token_timeout_s=0.3, total_timeout_s=1)
    pieces = reply.pieces()
    next(pieces)

    reply.note_beginning()

    with pytest.raises(protocol.ProviderTimeout, match="took too long"):
        list(pieces)


@pytest.mark.parametrize(
    ("silence_s", "limits", "is_told"),
    [
        (0.05, {"total_timeout_s": 0.6}, True),
        (0.05, {"between_tokens_timeout_s": 0.6}, True),
        (0.6, {"between_tokens_timeout_s": 0.6}, False),
    ],
)
def test_silence_is_told_and_the_limits_stay_what_they_are(wire, send, silence_s, limits, is_told):
    """An empty piece after each while in which nothing came; a pause is as long as its whiles."""
    wire.replies([head("200 OK", "Content-Length: 100"), b"one", 0.2, b"two", HOLD])
    reply = send(silence_s=silence_s, **limits)
    reply.note_beginning()
    pieces: list[bytes] = []

    with pytest.raises(protocol.ProviderTimeout):
        pieces.extend(reply.pieces(says_silence=True))

    assert [piece for piece in pieces if piece] == [b"one", b"two"]
    assert (b"" in pieces) is is_told

"""The HTTP client of all adapters: what goes wrong on real sockets becomes an error of its kind."""

import gzip
import threading

import msgspec
import pytest

from providers import protocol
from providers.protocol import ProviderConfig
from providers.transport import MAX_BODY_BYTES, Transport
from tests.doubles.redis_process import free_port
from tests.doubles.wire_server import HOLD, head, whole

KEY = "sk-key-of-ours"
CHUNKED = "Transfer-Encoding: chunked"


def _chunk(body):
    return b"%x\r\n%b\r\n" % (len(body), body)


ENDLESS = [
    [head("200 OK", CHUNKED), _chunk(b"one"), HOLD],
    [head("200 OK", "Connection: close"), b"one", HOLD],
    [head("200 OK", "Content-Length: 100"), b"one", HOLD],
]


@pytest.fixture
def send(wire):
    """Send one request to the server; limits may be named."""

    def sending(
        path="/chat/completions", method="POST", *, is_written_first=False, on_wait=None, **limits
    ):
        config = ProviderConfig("up", "openai", base_url=wire.url, api_key=KEY, **limits)
        return Transport(config).send(
            method,
            path,
            body={"a": "ü"},
            headers={"X-Ours": "1"},
            is_written_first=is_written_first,
            on_wait=on_wait,
        )

    return sending


def test_a_request_goes_out_as_json_behind_the_base_url(wire, send):
    """Method, path, body and headers, and those headers that the provider is given besides."""
    wire.replies([whole(b"fine")])

    reply = send(headers=(("X-Theirs", "2"),))

    top, _, body = wire.requests[0].partition(b"\r\n\r\n")
    assert top.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert b"X-Ours: 1" in top
    assert b"X-Theirs: 2" in top
    assert msgspec.json.decode(body) == {"a": "ü"}
    assert reply.whole() == b"fine"


def test_a_body_read_to_its_end_leaves_the_connection_for_the_next(wire):
    """A new connection for each call would cost its handshakes."""
    wire.replies([whole(b"fine")])
    transport = Transport(ProviderConfig("up", "openai", base_url=wire.url + "/"))
    transport.send("GET", "/models", headers={}).whole()

    transport.send("GET", "/models", headers={}).whole()

    assert (len(wire.requests), wire.connections) == (2, 1)


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


@pytest.mark.parametrize(
    "steps",
    [
        [0.2, whole(b"fine")],
        [head("200 OK", "Content-Length: 4"), 0.2, b"fine"],
        [b"HTTP/1.1 200 OK\r\n", 0.2, b"Content-Length: 4\r\n\r\nfine"],
    ],
)
def test_what_is_written_before_it_is_sent_has_the_time_of_a_whole_answer(wire, send, steps):
    """Its first byte comes with its last; a gateway may say before that it accepts."""
    wire.replies(steps)

    reply = send(is_written_first=True, first_token_timeout_s=0.1, between_tokens_timeout_s=0.1)

    assert reply.whole() == b"fine"


def test_the_time_of_a_whole_answer_ends_too(wire, send):
    """A provider that is not there must not be waited for."""
    wire.replies([HOLD])

    with pytest.raises(protocol.ProviderTimeout, match="did not answer in time"):
        send(is_written_first=True, total_timeout_s=0.1)

    assert wire.hung_up.wait(10)


def test_a_wait_for_an_answer_can_be_ended(wire, send):
    """What nobody wants any more holds neither a thread nor the provider."""
    wire.replies([HOLD])
    told: list[protocol.HangUp | None] = []

    def hang_up(how: protocol.HangUp | None) -> None:
        told.append(how)
        if how is not None:
            threading.Timer(0.05, how).start()

    with pytest.raises(protocol.ProviderLost):
        send(on_wait=hang_up)

    assert wire.hung_up.wait(10)
    assert [each is None for each in told] == [False, True]


def test_an_answer_is_no_longer_hung_up_on(wire, send):
    """Its connection may be another call's by then."""
    wire.replies([whole(b"fine")])
    told: list[protocol.HangUp | None] = []

    assert send(on_wait=told.append).whole() == b"fine"

    assert [each is None for each in told] == [False, True]


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


def test_a_provider_that_is_not_there_is_unavailable():
    """Nobody listens at the port."""
    config = ProviderConfig("up", "openai", base_url=f"http://127.0.0.1:{free_port()}")

    with pytest.raises(protocol.ProviderUnavailable, match="could not be reached"):
        Transport(config).send("GET", "/models", headers={})


@pytest.mark.parametrize("base_url", ["http://", "http://[::1", "http://127.0.0.1:99999"])
def test_a_base_url_that_is_none_is_an_error_of_the_family(base_url):
    """Callers expect `ProviderError` and nothing else."""
    with pytest.raises(protocol.ProviderUnavailable):
        Transport(ProviderConfig("up", "openai", base_url=base_url)).send("GET", "/x", headers={})


@pytest.mark.parametrize("reply", [[b"HTTP/9.9 what\r\n\r\n", b""], [b"\x00\xff\x00", b""], [b""]])
def test_what_is_no_http_is_unavailable(wire, send, reply):
    """Some other server may listen at the address."""
    wire.replies([*reply, b""])

    with pytest.raises(protocol.ProviderUnavailable):
        send()

"""The HTTP client of all adapters: what goes wrong on real sockets becomes an error of its kind."""

import threading

import msgspec
import pytest

from providers import protocol
from providers.protocol import ProviderConfig
from providers.transport import Transport
from tests.doubles.redis_process import free_port
from tests.doubles.wire_server import HOLD, head, whole

CHUNKED = "Transfer-Encoding: chunked"


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

    assert told[-1] is None


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

"""Refusals on real sockets: each becomes an error of its kind, in words that are safe to show."""

import msgspec
import pytest

from providers import protocol
from providers.protocol import ProviderConfig
from providers.transport import Transport
from tests.doubles.wire_server import whole

KEY = "sk-key-of-ours"


@pytest.fixture
def send(wire):
    """Send one request to the server."""
    config = ProviderConfig("up", "openai", base_url=wire.url, api_key=KEY)
    return lambda: Transport(config).send("POST", "/chat/completions", body={}, headers={})


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 No", protocol.ProviderAuthFailed),
        ("403 No", protocol.ProviderAuthFailed),
        ("429 No", protocol.ProviderRateLimited),
        ("400 No", protocol.ProviderRejected),
        ("404 No", protocol.ProviderRejected),
        ("422 No", protocol.ProviderRejected),
        ("500 No", protocol.ProviderUnavailable),
        ("503 No", protocol.ProviderUnavailable),
        ("204 No", protocol.ProviderUnavailable),
        ("302 Found", protocol.ProviderUnavailable),
    ],
)
def test_a_refusal_is_of_the_kind_that_its_status_says(wire, send, status, kind):
    """Whether to try again, whom to blame; redirects are not followed, our key stays here."""
    wire.replies([whole(b"", status, "Location: /elsewhere")])

    with pytest.raises(kind) as caught:
        send()

    assert type(caught.value) is kind
    assert caught.value.status == int(status[:3])
    assert len(wire.requests) == 1


@pytest.mark.parametrize("status", ["301 Moved", "308 Moved"])
def test_a_redirect_says_what_is_to_be_mended(wire, send, status):
    """Most often a base URL begins with http where it must be https."""
    wire.replies([whole(b"", status, "Location: https://elsewhere")])

    with pytest.raises(protocol.ProviderUnavailable, match=r"another address \(30[18]\)"):
        send()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("99999999", 3600.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2150 00:00:00 GMT", 3600.0),
        ("soon", None),
        ("-5", None),
        ("\xb2", None),
        ("Mon, 01 Jan 99999999999 00:00:00 GMT", None),
        ("", None),
    ],
)
def test_when_to_come_back_is_read_in_both_forms(wire, send, header, seconds):
    """Seconds or a date, bounded; nonsense says nothing and breaks nothing."""
    wire.replies([whole(b"", "429 Slow down", f"Retry-After: {header}")])

    with pytest.raises(protocol.ProviderRateLimited) as caught:
        send()

    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "Too hot.", "param": "temperature", "code": "bad"}}, "Too hot."),
        ({"error": "Too hot."}, "Too hot."),
        ({"detail": "Too hot."}, "Too hot."),
        ({"message": "Too hot."}, "Too hot."),
        ({"error": {"message": ["no", "text"]}}, "The provider rejected the request (400)."),
        (["Too hot."], "The provider rejected the request (400)."),
        ([{"error": {"code": 400, "message": "Too hot."}}], "Too hot."),
        (
            {
                "object": "error",
                "message": {"detail": [{"loc": ["body", "top"], "msg": "Too hot."}]},
            },
            "body.top: Too hot.",
        ),
        (
            {"detail": [{"loc": 5, "msg": "Too hot."}, {"msg": 5}, "no", {"msg": "Sorry."}]},
            "Too hot.; Sorry.",
        ),
        ({"error": {"message": "Failed", "metadata": {"raw": "Too hot."}}}, "Failed: Too hot."),
        ({"error": {"message": "Too hot.", "metadata": {"raw": {"a": 1}}}}, "Too hot."),
        ({"error": {"message": "Too hot.", "metadata": ["raw"]}}, "Too hot."),
        ({"error": {"message": "x" * 2000}}, "x" * 500),
        ({"error": {"message": f"Wrong key {KEY}!"}}, "Wrong key ***!"),
    ],
)
def test_a_rejection_shows_the_providers_words_without_our_key(wire, send, body, words):
    """The caller can mend a request only if told what is wrong; the key is not theirs to see."""
    wire.replies([whole(msgspec.json.encode(body), "400 Bad Request")])

    with pytest.raises(protocol.ProviderRejected) as caught:
        send()

    assert caught.value.message == words


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'event: error\ndata: {"error": {"message": "Too hot."}}\n\n', "Too hot."),
        (b'data: {"error": {"message": "Too hot."}}', "Too hot."),
        (b'\n {"message": "Too hot."}', "Too hot."),
        (b": nothing\n\n", "The provider rejected the request (400)."),
    ],
)
def test_a_rejection_may_be_an_event(wire, send, body, words):
    """Some answer a request to stream with nothing else, whatever the status."""
    wire.replies([whole(body, "400 Bad Request", "Content-Type: text/event-stream")])

    with pytest.raises(protocol.ProviderRejected) as caught:
        send()

    assert caught.value.message == words


def test_a_rejection_names_the_parameter(wire, send):
    """OpenAI's clients show `param` and `code`."""
    body = {"error": {"message": "m", "param": "tools", "code": "unsupported"}}
    wire.replies([whole(msgspec.json.encode(body), "400 Bad Request")])

    with pytest.raises(protocol.ProviderRejected) as caught:
        send()

    assert (caught.value.param, caught.value.upstream_code) == ("tools", "unsupported")


@pytest.mark.parametrize("body", [b"<html>", b"\xff", b"[" * 5000, b'"' + b"x" * 100_000 + b'"'])
def test_an_error_page_that_says_nothing_is_still_a_rejection(wire, send, body):
    """HTML, bytes, nesting without end, pages without end."""
    wire.replies([whole(body, "400 Bad Request")])

    with pytest.raises(protocol.ProviderRejected, match=r"rejected the request \(400\)"):
        send()


def test_what_was_moderated_is_no_fault_of_our_key(wire, send):
    """OpenRouter answers 403 to what a model's moderation flags."""
    error = {"code": 403, "message": "It was flagged.", "metadata": {"reasons": ["violence"]}}
    wire.replies([whole(msgspec.json.encode({"error": error}), "403 Forbidden")])

    with pytest.raises(protocol.ProviderRejected, match="It was flagged") as caught:
        send()

    assert caught.value.status == 403


@pytest.mark.parametrize("status", ["401 No", "429 No", "500 No"])
def test_other_refusals_show_nothing_of_the_body(wire, send, status):
    """What a provider says of our account is for its owner."""
    body = msgspec.json.encode({"error": {"message": f"Account 4711 with {KEY} is blocked"}})
    wire.replies([whole(body, status)])

    with pytest.raises(protocol.ProviderError) as caught:
        send()

    assert "4711" not in caught.value.message
    assert KEY not in str(caught.value)

"""OpenAI's format and its dialects, over real HTTP."""

import msgspec
import pytest

from providers import protocol
from providers.openai import OpenAIProvider
from providers.protocol import SILENCE, ChatRequest, ProviderConfig, Usage
from tests.doubles.openai_server import KEY
from tests.doubles.wire_server import HOLD, head, whole

ASKED = [{"role": "user", "content": "good day"}]
OTHER = {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "stop"}]}
EVENTS = head("200 OK", "Content-Type: text/event-stream")


@pytest.fixture
def provider(upstream):
    """The adapter of a server that behaves by the model's name."""
    made = OpenAIProvider(ProviderConfig("up", "openai", base_url=upstream.url, api_key=KEY))
    yield made
    made.close()


@pytest.fixture
def wired(wire):
    """The adapter of a server whose bytes the test writes down."""
    made = OpenAIProvider(ProviderConfig("up", "openai", base_url=wire.url, api_key="sk-ours"))
    yield made
    made.close()


def _asked(provider, model="echo", *, stream=True, **body):
    return provider.stream(ChatRequest(model, {"messages": ASKED, **body}, stream=stream))


def _chunks(answer):
    """What is said in it; in how many pieces the network brings that makes silences or none."""
    return [each for each in answer if each is not SILENCE]


def _text(chunks):
    return "".join(each.text for each in chunks)


def _streams(wire, *events, end=b""):
    """Have the server stream `events`, JSON values or bytes as they are."""
    lines = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in events]
    wire.replies([EVENTS, b"".join(b"data: %b\n\n" % line for line in lines), end])


def _said(text, reason=None, **more):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}], **more}


def test_an_answer_streams_to_its_end(provider):
    """Text piece by piece, why it ended, the usage, and each chunk's own bytes for relaying."""
    chunks = _chunks(_asked(provider))

    assert [each.text for each in chunks] == ["You ", "said: ", "good ", "day ", "", ""]
    assert [each.finish_reason for each in chunks if each.finish_reason] == ["stop"]
    assert chunks[-1].usage == Usage(input_tokens=2, output_tokens=4, cached_tokens=1)
    assert msgspec.json.decode(chunks[0].raw)["object"] == "chat.completion.chunk"


def test_an_answer_read_to_its_end_leaves_its_connection_for_the_next(wire, wired):
    """A handshake for every answer would cost more than the first token."""
    events = b"data: %b\n\ndata: [DONE]\n\n" % msgspec.json.encode(_said("a", "stop"))
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(events), events)
    wire.replies([head("200 OK", "Transfer-Encoding: chunked") + body])

    texts = [_text(_asked(wired)) for _ in range(3)]

    assert texts == ["a", "a", "a"]
    assert wire.connections == 1


def test_a_request_is_passed_on_with_what_we_do_not_know(provider, upstream):
    """Fields of tomorrow reach the provider; the usage is always asked for."""
    _chunks(_asked(provider, tomorrow={"a": [1]}, stream_options={"include_obfuscation": False}))

    (sent,) = upstream.requests
    assert sent == {
        "messages": ASKED,
        "tomorrow": {"a": [1]},
        "model": "echo",
        "stream": True,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
    }


def test_unstreamed_nothing_is_said_of_streaming_options(provider, upstream):
    """OpenAI refuses `stream_options` without `stream`."""
    (chunk,) = _asked(provider, stream=False)

    assert (chunk.text, chunk.finish_reason) == ("You said: good day ", "stop")
    assert chunk.usage.output_tokens == 4
    assert upstream.requests == [{"messages": ASKED, "model": "echo", "stream": False}]


def test_unstreamed_the_first_token_is_not_waited_for(wire):
    """It comes with the last, and a model may think for minutes."""
    provider = OpenAIProvider(
        ProviderConfig("up", "openai", base_url=wire.url, first_token_timeout_s=0.1)
    )
    wire.replies([0.2, whole(msgspec.json.encode({"choices": [{"message": {"content": "a"}}]}))])

    with pytest.raises(protocol.ProviderTimeout):
        _asked(provider)
    assert _text(_asked(provider, stream=False)) == "a"


@pytest.mark.parametrize("stream", [True, False])
def test_tool_calls_come_through(provider, stream):
    """A model may answer with calls and no text at all."""
    chunks = _chunks(_asked(provider, "tools", stream=stream))

    calls = [call for each in chunks for call in each.tool_calls]
    assert [each["function"]["name"] for each in calls] == ["weather"]
    assert [each.finish_reason for each in chunks if each.finish_reason] == ["tool_calls"]
    assert _text(chunks) == ""


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_are_kept_apart_from_the_text(wire, wired, name):
    """Two names are in use for them."""
    thought = {"choices": [{"delta": {name: "Hm. "}}]}
    _streams(wire, thought, _said("Yes.", "stop"), b"[DONE]")

    chunks = _chunks(_asked(wired))

    assert [(each.reasoning, each.text) for each in chunks] == [("Hm. ", ""), ("", "Yes.")]


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([_said("a"), _said("b", "stop")], b""),
        ([_said("a"), _said("b", "length"), b"[DONE]"], HOLD),
        ([b'{"choices": []}', _said("a"), _said("b"), _said("", "stop")], b": bye\n\n"),
        ([_said("a"), OTHER, _said("b", "stop")], b""),
        ([b"", _said("a"), b" ", _said("b"), b"[DONE] "], HOLD),
        ([_said("a"), _said(None), {"choices": [{"delta": None}]}, _said("b", "stop")], b""),
        ([{"id": 7, **_said("a")}, {"choices": None}, _said("b", "stop", usage="?")], b""),
    ],
)
def test_dialects_are_understood(wire, wired, events, end):
    """No `[DONE]`, no hanging up after it, comments, other choices, nulls, nonsense as usage."""
    _streams(wire, *events, end=end)

    chunks = _chunks(_asked(wired))

    assert _text(chunks) == "ab"
    assert chunks[-1].usage is None


@pytest.mark.parametrize(
    "stream",
    [
        b"data: {\xff}\n\n",
        b"data: nonsense\n\n",
        b"data: 5\n\n",
        b'data: {"choices": 5}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": "x"}}]}\n\n',
        b'data: {"choices": "\\u12"}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"error": ' + b"[" * 100_000 + b"\\u\n\n",
    ],
)
def test_a_chunk_that_is_not_of_the_format_is_malformed(wire, wired, stream):
    """One error of the family, whatever comes."""
    wire.replies([EVENTS, stream, b""])

    with pytest.raises(protocol.ProviderMalformed):
        _chunks(_asked(wired))


@pytest.mark.parametrize("end", [b"", b"data: {", b"data: [DO\n"])
def test_a_stream_that_just_ends_is_broken(wire, wired, end):
    """A connection that closes in good order in the middle of an answer is no end of it."""
    _streams(wire, _said("a"), end=end)
    stream = _asked(wired)

    assert next(stream).text == "a"
    with pytest.raises(protocol.ProviderBroken):
        list(stream)


def test_a_connection_that_breaks_after_the_end_changes_nothing(wire, wired):
    """All was said; only the goodbye is missing."""
    body = b"data: " + msgspec.json.encode(_said("all", "stop")) + b"\n\n"
    wire.replies([head("200 OK", "Content-Length: 9999"), body])

    assert _text(_asked(wired)) == "all"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "m", "type": "rate_limit_error"}, protocol.ProviderRateLimited),
        ({"message": "m", "code": 429}, protocol.ProviderRateLimited),
        ({"message": "m", "type": "invalid_request_error"}, protocol.ProviderRejected),
        ({"message": "m", "code": 400}, protocol.ProviderRejected),
        ({"message": "m", "type": "server_error"}, protocol.ProviderUnavailable),
        ({"message": "m", "type": "failed_to_generate"}, protocol.ProviderUnavailable),
        ({}, None),
        ("overloaded", protocol.ProviderUnavailable),
        (5, protocol.ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_in_the_place_of_an_answer_is_of_its_kind(wire, wired, error, kind, stream):
    """Some providers answer 200 and then say that it failed."""
    answer = msgspec.json.encode({"error": error})
    wire.replies([EVENTS, b"data: " * stream + answer + b"\n\n"])

    with pytest.raises(protocol.ProviderError) as caught:
        _chunks(_asked(wired, stream=stream))

    # An empty error is none: then the answer is cut off, or has no choices.
    nothing = protocol.ProviderBroken if stream else protocol.ProviderMalformed
    assert type(caught.value) is (kind or nothing)


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_in_the_place_of_an_answer_does_not_show_our_key(wire, wired, stream):
    """Providers quote the key that they do not know."""
    error = {"message": "Wrong key sk-ours given", "type": "invalid_request_error"}
    wire.replies([EVENTS, b"data: " * stream + msgspec.json.encode({"error": error}) + b"\n\n"])

    with pytest.raises(protocol.ProviderRejected) as caught:
        _chunks(_asked(wired, stream=stream))

    assert caught.value.message == "Wrong key *** given"


LABELS = [["Content-Type: application/json"], ["Content-Type: text/event-stream"], []]


@pytest.mark.parametrize("labels", LABELS)
def test_events_are_read_whatever_they_are_called(wire, wired, labels):
    """Some gateways call all that they send JSON, or say nothing of it."""
    events = b": hello\n\ndata: %b\n\ndata: [DONE]\n\n" % msgspec.json.encode(_said("a", "stop"))
    wire.replies([head("200 OK", *labels), events[:3], events[3:]])

    assert _text(_asked(wired)) == "a"


def test_a_ping_is_no_chunk(wire, wired):
    """Some proxies send one by that name, whatever is in it."""
    events = b"event: ping\ndata: alive\n\ndata: %b\n\n" % msgspec.json.encode(_said("a", "stop"))
    wire.replies([EVENTS + events, b""])

    assert [each.text for each in _asked(wired)] == ["a"]


@pytest.mark.parametrize("labels", LABELS)
def test_a_completion_that_comes_whole_where_a_stream_was_asked_for_is_taken(wire, wired, labels):
    """Some gateways cannot stream every model; the answer was made and is paid for."""
    body = msgspec.json.encode(
        {
            "choices": [{"message": {"content": "all"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 2, "completion_tokens": 1},
        }
    )
    wire.replies([whole(body, "200 OK", *labels)])

    (chunk,) = _asked(wired)

    assert (chunk.text, chunk.finish_reason, chunk.usage) == ("all", "stop", Usage(2, 1))
    assert chunk.raw == body


@pytest.mark.parametrize("labels", LABELS)
def test_an_error_that_comes_whole_where_a_stream_was_asked_for_is_of_its_kind(wire, wired, labels):
    """Taken for a broken stream, it would be asked again and booked."""
    error = {"message": "Too long.", "type": "invalid_request_error"}
    body = msgspec.json.encode({"error": error})
    wire.replies([whole(body, "200 OK", *labels)])

    with pytest.raises(protocol.ProviderRejected, match=r"Too long\."):
        _chunks(_asked(wired))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", protocol.ProviderMalformed),
        (b'{"choices": []}', protocol.ProviderMalformed),
        (b"<html>", protocol.ProviderMalformed),
        (b"", protocol.ProviderMalformed),
    ],
)
def test_a_whole_answer_must_have_a_choice(wire, wired, body, kind):
    """An empty answer must not be kept as what the model said."""
    wire.replies([whole(body)])

    with pytest.raises(kind):
        _chunks(_asked(wired, stream=False))


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 3}, None),
        ({"prompt_tokens": -1, "completion_tokens": 2}, None),
        ({"prompt_tokens": True, "completion_tokens": 2.5}, None),
        ({"prompt_tokens": 10**12}, None),
        ({"total_tokens": 5}, None),
        ([], None),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 8,
                "prompt_tokens_details": {
                    "cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 1,
                },
                "completion_tokens_details": {"reasoning_tokens": 5, "audio_tokens": 3},
            },
            Usage(9, 8, 4, 2, 5, 1, 3),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 8, "prompt_tokens_details": None},
            Usage(9, 8),
        ),
    ],
)  # fmt: skip
def test_usage_is_what_the_provider_says_and_nonsense_is_nothing(wire, wired, usage, counted):
    """Money is booked by it: a zero is a zero, and no answer is lost over a wrong count."""
    _streams(wire, _said("a", "stop", usage=usage), b"[DONE]")

    (chunk,) = _asked(wired)

    assert chunk.usage == counted


def test_halves_of_a_character_are_put_together(provider):
    """Some providers cut an emoji in two over chunks."""
    assert _text(_asked(provider, "surrogate")) == "😀You said: good day "


def test_a_half_in_a_whole_answer_is_replaced(wire, wired):
    """Nothing follows that could hold the other."""
    wire.replies([whole(rb'{"choices": [{"message": {"content": "a\ud83d!"}}]}')])

    (chunk,) = _asked(wired, stream=False)

    assert chunk.text == "a�!"


@pytest.mark.parametrize(
    ("halves", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ude00", "b"], "�b"),
        (["a\ud83d", "b"], "a�b"),
        (["\ud83d", "\ud83d", "\ude00"], "�😀"),
        (["b\ud83d"], "b�"),
    ],
)
def test_a_half_without_its_other_half_is_replaced(wire, wired, halves, text):
    """No database stores one, and the text around it is not lost."""
    raw = [
        b'{"choices": [{"delta": {"content": "%b"}%b}]}'
        % (
            each.encode("ascii", "backslashreplace"),
            b', "finish_reason": "stop"' if number == len(halves) else b"",
        )
        for number, each in enumerate(halves, start=1)
    ]
    _streams(wire, *raw, b"[DONE]")

    assert _text(_asked(wired)) == text

"""Answers of the Messages API as chunks, over real HTTP."""

import anthropic
import msgspec
import pytest

from providers import protocol
from providers.anthropic.adapter import AnthropicProvider
from providers.protocol import SILENCE, ChatRequest, ProviderConfig, Usage
from tests.doubles.anthropic_server import KEY, MODELS
from tests.doubles.wire_server import head, whole

ASKED = [{"role": "user", "content": "good day"}]
BOTH = pytest.mark.parametrize("stream", [True, False])


def _asked(provider, model="echo", *, stream=True, **body):
    return provider.stream(ChatRequest(model, {"messages": ASKED, **body}, stream=stream))


def _chunks(answer):
    """What is said in it; in how many pieces the network brings that makes silences or none."""
    return [each for each in answer if each is not SILENCE]


def _text(chunks):
    return "".join(each.text for each in chunks)


def _calls(chunks):
    """Tool calls put together as the stream engine does, by their index."""
    calls: dict[int, dict[str, str]] = {}
    for delta in (each for chunk in chunks for each in chunk.tool_calls):
        call = calls.setdefault(delta["index"], {"id": delta.get("id"), "arguments": ""})
        call["arguments"] += delta["function"]["arguments"]
    return [(each["id"], each["arguments"]) for each in calls.values()]


def _sends(wire, *events, end=b""):
    """Have the server stream `events`, then break off."""
    frames = [b"event: x\ndata: %b\n\n" % msgspec.json.encode(each) for each in events]
    wire.replies([head("200 OK"), b"".join(frames), end])


def _delta(text):
    return {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }


END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}


def _streamed(client, wanted):
    with client.messages.stream(**wanted) as answer:
        return answer.get_final_message()


def _whole(client, wanted):
    return client.messages.create(**wanted)


@pytest.mark.parametrize("read", [_streamed, _whole])
def test_the_official_client_understands_the_double(claude, read):
    """What the adapter is tested against is the format itself."""
    wanted = {"model": "tools", "max_tokens": 50, "messages": ASKED}

    with anthropic.Anthropic(api_key=KEY, base_url=claude.url, max_retries=0) as client:
        message = read(client, wanted)
        listed = list(client.models.list())

    assert [each.type for each in message.content] == ["text", "tool_use", "tool_use"]
    assert message.content[0].text == "You said: good day "
    assert [each.input for each in message.content[1:]] == [{"city": "Oslo"}, {"city": "Rome"}]
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens == 4
    assert len(listed) == len(MODELS)


def test_an_answer_streams_to_its_end(provider):
    """The prompt's count first, the words as they come, then why it ended and the whole usage."""
    chunks = _chunks(_asked(provider))

    assert chunks[0].prompt_usage == Usage(2, 1)
    assert [each.text for each in chunks if each.text] == ["You ", "said: ", "good ", "day "]
    assert (chunks[-1].finish_reason, chunks[-1].usage) == ("stop", Usage(2, 4))
    assert {each.raw for each in chunks} == {None}


def test_a_whole_answer_is_one_chunk(provider):
    """With all that the pieces would have said."""
    (chunk,) = _asked(provider, stream=False)

    assert (chunk.text, chunk.finish_reason) == ("You said: good day ", "stop")
    assert chunk.usage == Usage(2, 4)


def test_unstreamed_the_first_token_is_not_waited_for(wire):
    """It comes with the last, and a model may think for minutes."""
    provider = AnthropicProvider(
        ProviderConfig("up", "anthropic", base_url=wire.url, first_token_timeout_s=0.1)
    )
    wire.replies([0.2, whole(b'{"content": [{"type": "text", "text": "a"}]}')])

    with pytest.raises(protocol.ProviderTimeout):
        _asked(provider)
    assert _text(_asked(provider, stream=False)) == "a"


@BOTH
def test_tool_calls_are_openais(provider, stream):
    """Numbered among themselves, not among the blocks, with their arguments as text."""
    chunks = _chunks(_asked(provider, "tools", stream=stream))

    assert [(each[0], msgspec.json.decode(each[1])) for each in _calls(chunks)] == [
        ("toolu_1", {"city": "Oslo"}),
        ("toolu_2", {"city": "Rome"}),
    ]
    assert chunks[-1].finish_reason == "tool_calls"


@BOTH
def test_a_call_without_arguments_has_an_empty_object(provider, stream):
    """Clients read arguments as JSON, which an empty text is not."""
    chunks = _chunks(_asked(provider, "no-arguments", stream=stream))

    assert _calls(chunks) == [("toolu_1", "{}")]


@BOTH
def test_thoughts_come_apart_from_the_text_with_their_signature(provider, stream):
    """The signed whole is what a client must send back with its tools' results."""
    chunks = _chunks(_asked(provider, "thinking", stream=stream))

    assert "".join(each.reasoning for each in chunks) == "Let me see."
    assert [detail for each in chunks for detail in each.details] == [
        {"type": "reasoning.text", "index": 0, "text": "Let me see.", "signature": "sig=="}
    ]
    assert _text(chunks) == "You said: good day "


@BOTH
def test_a_redacted_thought_is_handed_on_unread(provider, stream):
    """It is encrypted; only the provider can use it."""
    chunks = _chunks(_asked(provider, "redacted", stream=stream))

    assert [detail for each in chunks for detail in each.details] == [
        {"type": "reasoning.encrypted", "index": 0, "data": "enc=="}
    ]


@BOTH
def test_cached_tokens_are_part_of_the_input_and_known_by_kind(provider, stream):
    """Anthropic counts them beside it; each kind has a price of its own."""
    chunks = _chunks(_asked(provider, "cached", stream=stream))

    assert chunks[-1].usage == Usage(
        1310, 4, cached_tokens=1000, cache_write_tokens=300, cache_write_1h_tokens=100
    )


@pytest.mark.parametrize("told", [None, {}, {"input_tokens": 9}, {"output_tokens": "many"}])
def test_an_end_that_does_not_count_the_answer_leaves_it_to_an_estimate(wire, wired, told):
    """The one token of the beginning is no count of all of it."""
    begun = {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}
    _sends(wire, begun, _delta("a long answer"), {**END, "usage": told})

    chunks = _chunks(_asked(wired))

    assert chunks[0].prompt_usage == Usage(9, 1)
    assert [each.usage for each in chunks] == [None] * len(chunks)


def test_an_answer_whose_prompt_nobody_counted_leaves_it_to_an_estimate(wire, wired):
    """Else the prompt would be free, and nobody would know."""
    _sends(wire, {"type": "message_start", "message": {}}, _delta("a long answer"), END)

    assert all(each.usage is None for each in _chunks(_asked(wired)))


@pytest.mark.parametrize(
    ("model", "reason"), [("long-answer", "length"), ("refusal", "content_filter")]
)
@BOTH
def test_why_it_ended_is_said_in_openais_words(provider, model, reason, stream):
    """Clients act on them."""
    assert _chunks(_asked(provider, model, stream=stream))[-1].finish_reason == reason


@pytest.mark.parametrize(
    ("model", "kind", "status"),
    [
        ("status-400", protocol.ProviderRejected, 400),
        ("status-401", protocol.ProviderAuthFailed, 401),
        ("status-429", protocol.ProviderRateLimited, 429),
        ("status-529", protocol.ProviderUnavailable, 529),
    ],
)
def test_a_refusal_is_of_its_kind(provider, model, kind, status):
    """529 is Anthropic's own word for being overloaded; it may say when to come back."""
    with pytest.raises(kind) as caught:
        _asked(provider, model)

    assert caught.value.status == status
    assert caught.value.retry_after_s == (11.0 if status in {429, 529} else None)
    assert KEY not in caught.value.message


def test_an_error_in_mid_stream_ends_it_as_its_kind(provider):
    """After a status of 200 there is no other way to say it."""
    stream = _asked(provider, "overloaded-later")

    with pytest.raises(protocol.ProviderUnavailable) as caught:
        list(stream)

    assert caught.value.status == 529


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "rate_limit_error"}, protocol.ProviderRateLimited),
        ({"type": "billing_error"}, protocol.ProviderAuthFailed),
        ({"type": "invalid_request_error", "message": "no sk-ours"}, protocol.ProviderRejected),
        ({"type": "api_error"}, protocol.ProviderUnavailable),
        ({}, protocol.ProviderUnavailable),
        (5, protocol.ProviderUnavailable),
    ],
)
@BOTH
def test_an_error_in_the_place_of_an_answer_is_of_its_kind(wire, wired, error, kind, stream):
    """And never shows our key."""
    told = msgspec.json.encode({"type": "error", "error": error})
    wire.replies([head("200 OK"), b"data: " * stream + told + b"\n\n"])

    with pytest.raises(kind) as caught:
        _chunks(_asked(wired, stream=stream))

    assert "sk-ours" not in caught.value.message


def test_a_stream_that_breaks_off_is_broken(provider):
    """What came is there, and the prompt's count with it."""
    said = (each for each in _asked(provider, "break") if each is not SILENCE)

    assert [next(said).text for _ in range(4)] == ["", "", "You ", "said: "]
    with pytest.raises(protocol.ProviderBroken):
        list(said)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([_delta("a"), {"type": "tomorrow"}, {"type": "ping"}, _delta("b"), END], "ab"),
        ([{"type": "message_start"}, _delta("a"), {"type": "content_block_stop"}, END], "a"),
        ([{"type": "content_block_delta", "delta": {"type": "new_delta"}}, _delta("a"), END], "a"),
        (
            [{"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}, END],
            "a",
        ),
        ([_delta("a"), {"type": "content_block_start", "content_block": None}, END], "a"),
        ([_delta(None), _delta("a"), {**END, "usage": None}], "a"),
    ],
)
def test_what_is_new_or_missing_breaks_nothing(wire, wired, events, text):
    """The API says that more kinds will come; gateways leave some out, the goodbye too."""
    _sends(wire, *events)

    chunks = _chunks(_asked(wired))

    assert _text(chunks) == text
    assert chunks[-1].finish_reason == "stop"


def test_a_refused_server_tool_is_no_tool_call(wire, wired):
    """What the provider runs itself is not the caller's to answer."""
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    piece = {"type": "input_json_delta", "partial_json": '{"q": 1}'}
    _sends(
        wire,
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": piece},
        {"type": "content_block_stop", "index": 0},
        _delta("found"),
        END,
    )

    chunks = _chunks(_asked(wired))

    assert _calls(chunks) == []
    assert _text(chunks) == "found"


@pytest.mark.parametrize(
    "body", [b"<html>", b"5", b"{}", b'{"content": 5}', b"[" * 100_000, b"\xff"]
)
def test_a_whole_answer_must_be_one(wire, wired, body):
    """One error of the family, whatever comes."""
    wire.replies([whole(body)])

    with pytest.raises(protocol.ProviderMalformed):
        _chunks(_asked(wired, stream=False))


@pytest.mark.parametrize("told", [{"input_tokens": 2}, {"output_tokens": 1}, {}])
def test_a_whole_answer_that_is_counted_by_half_leaves_it_to_an_estimate(wire, wired, told):
    """The other half would be free."""
    body = {"content": [{"type": "text", "text": "all"}], "stop_reason": "end_turn", "usage": told}
    wire.replies([whole(msgspec.json.encode(body))])

    (chunk,) = _asked(wired, stream=False)

    assert (chunk.text, chunk.usage) == ("all", None)


LABELS = [["Content-Type: application/json"], ["Content-Type: text/event-stream"], []]


@pytest.mark.parametrize("labels", LABELS)
def test_a_message_that_comes_whole_where_a_stream_was_asked_for_is_taken(wire, wired, labels):
    """Some gateways cannot stream every model; the answer was made and is paid for."""
    told = {
        "content": [{"type": "text", "text": "all"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 2, "output_tokens": 1},
    }
    wire.replies([whole(msgspec.json.encode(told), "200 OK", *labels)])

    (chunk,) = _asked(wired)

    assert (chunk.text, chunk.finish_reason, chunk.usage) == ("all", "stop", Usage(2, 1))


@pytest.mark.parametrize("is_streamed", [True, False])
def test_the_sequence_that_ended_an_answer_is_told(wire, wired, is_streamed):
    """A client may have named several, and goes on by the one that came."""
    ended = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    if is_streamed:
        _sends(wire, _delta("a"), {**END, "delta": ended}, {"type": "message_stop"})
    else:
        told = {"content": [{"type": "text", "text": "a"}], **ended}
        wire.replies([whole(msgspec.json.encode(told))])

    *_, last = _asked(wired, stream=is_streamed)

    assert (last.finish_reason, last.stop_sequence) == ("stop", "END")


@pytest.mark.parametrize("labels", LABELS)
def test_an_error_that_comes_whole_where_a_stream_was_asked_for_is_of_its_kind(wire, wired, labels):
    """Taken for a broken stream, it would be asked again and booked."""
    told = {"type": "error", "error": {"type": "invalid_request_error", "message": "Too long."}}
    wire.replies([whole(msgspec.json.encode(told), "200 OK", *labels)])

    with pytest.raises(protocol.ProviderRejected, match=r"Too long\."):
        _chunks(_asked(wired))


@pytest.mark.parametrize("raw", [b"data: {\n\n", b"data: 5\n\n", b"data: \xff\n\n"])
def test_an_event_that_is_none_is_malformed(wire, wired, raw):
    """Likewise in a stream."""
    wire.replies([head("200 OK"), raw, b""])

    with pytest.raises(protocol.ProviderMalformed):
        _chunks(_asked(wired))


def test_closing_ends_the_call(wire, wired):
    """A stop reaches the provider, which ceases to write."""
    wire.replies([head("200 OK"), b"data: " + msgspec.json.encode(_delta("a")) + b"\n\n", 30.0])
    stream = _asked(wired)
    next(stream)

    stream.close()

    with pytest.raises(protocol.ProviderBroken):
        list(stream)

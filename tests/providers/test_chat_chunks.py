"""The dialects of OpenAI's format, each in a stream as its servers send it."""

import json

import pytest

from providers import protocol
from providers.chat_chunks import streamed_chunk, whole_chunk
from providers.openai import OpenAIProvider
from providers.protocol import ChatRequest, ProviderConfig, Usage
from providers.sse import ServerEvent
from streams.outcome import Tally
from tests.doubles.wire_server import head

ASKED = {"messages": [{"role": "user", "content": "hi"}]}
WEATHER = {"name": "weather", "arguments": '{"city": "Oslo"}'}


def _choice(reason=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _stream(*events, end="data: [DONE]\n\n"):
    """Events as lines of `data:`, those that are text as they stand."""
    lines = [each if isinstance(each, str) else f"data: {json.dumps(each)}\n\n" for each in events]
    return "".join(lines) + end


VLLM = _stream(
    _choice(role="assistant", content="", reasoning_content=None) | {"usage": {
        "prompt_tokens": 7, "total_tokens": 7, "completion_tokens": 0}},
    _choice(reasoning_content="Hm.") | {"usage": {
        "prompt_tokens": 7, "total_tokens": 8, "completion_tokens": 1}},
    _choice(content="Yes.") | {"usage": {
        "prompt_tokens": 7, "total_tokens": 9, "completion_tokens": 2}},
    _choice("stop", content="") | {"usage": {
        "prompt_tokens": 7, "total_tokens": 10, "completion_tokens": 3}},
    {"choices": [], "usage": {"prompt_tokens": 7, "total_tokens": 10, "completion_tokens": 3}},
)  # fmt: skip
OLLAMA = _stream(
    _choice(role="assistant", content="", reasoning="Hm."),
    _choice(role="assistant", content="Yes."),
    _choice("stop", role="assistant", content=""),
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}},
)
OPENROUTER = _stream(
    ": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n",
    _choice(role="assistant", content="", reasoning=None, reasoning_details=[
        {"type": "reasoning.text", "text": "Hm.", "format": None, "index": 0}]),
    _choice(role="assistant", content="Yes.") | {"provider": "Somebody"},
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""},
                  "finish_reason": "stop", "native_finish_reason": "end_turn"}]},
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""},
                  "finish_reason": None}],
     "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "cost": 0.01,
               "completion_tokens_details": {"reasoning_tokens": 1}}},
)  # fmt: skip
AZURE = _stream(
    {"choices": [], "created": 0, "id": "", "model": "", "object": "",
     "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]},
    _choice(role="assistant", content="", refusal=None),
    _choice(content="Yes."),
    {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"end_offset": 4},
                  "content_filter_results": {"hate": {"filtered": False}}, "delta": {}}]},
    _choice("stop"),
    {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
                              "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0}}},
)  # fmt: skip
GEMINI = _stream(
    _choice(role="assistant", content="Yes.") | {"usage": {
        "prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 9}},
    {"choices": [{"delta": {"role": "assistant"}, "finish_reason": "stop", "index": 0}],
     "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 60}},
    end="",
).replace("\n\n", "\r\n\r\n")  # fmt: skip
GROQ = _stream(
    _choice(role="assistant", content="") | {"x_groq": {"id": "r"}},
    _choice(reasoning="Hm."),
    _choice(content="Yes."),
    _choice("stop") | {"x_groq": {"id": "r", "usage": {
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}},
)  # fmt: skip
DEEPSEEK = _stream(
    _choice(role="assistant", content=None, reasoning_content="Hm."),
    _choice(content="Yes.", reasoning_content=None),
    _choice("stop", content="", reasoning_content=None) | {"usage": {
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
        "prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 5}},
)  # fmt: skip
MISTRAL = _stream(
    _choice(role="assistant", content=[
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}]),
    _choice(content=[{"type": "text", "text": "Yes."}]),
    _choice("stop", content="") | {"usage": {
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}},
)  # fmt: skip
MOONSHOT = _stream(
    _choice(role="assistant", content="Yes."),
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": {
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10, "cached_tokens": 2}}]},
)  # fmt: skip
XAI = _stream(
    _choice(role="assistant", reasoning_content="Hm."),
    _choice("stop", content="Yes."),
    {"choices": [], "usage": {
        "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 60,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 50}}},
)  # fmt: skip
BARE = (
    'data:{"choices":[{"delta":{"content":"Ye"},"index":null}]}\r\n\r\n: hello\r\n'
    'event: message\nid: 7\ndata: {"choices": [{"delta":\ndata: {"content": "s."},\n'
    'data: "finish_reason": "eos_token"}]}\n\n'
)
PLAIN = Usage(7, 3)


@pytest.mark.parametrize(
    ("stream", "thought", "usage"),
    [
        pytest.param(VLLM, "Hm.", PLAIN, id="vllm"),
        pytest.param(OLLAMA, "Hm.", PLAIN, id="ollama"),
        pytest.param(OPENROUTER, "Hm.", Usage(7, 3, reasoning_tokens=1), id="openrouter"),
        pytest.param(AZURE, "", Usage(7, 3, cached_tokens=2), id="azure"),
        pytest.param(GEMINI, "", Usage(7, 53, reasoning_tokens=50), id="gemini"),
        pytest.param(GROQ, "Hm.", PLAIN, id="groq"),
        pytest.param(DEEPSEEK, "Hm.", Usage(7, 3, cached_tokens=2), id="deepseek"),
        pytest.param(MISTRAL, "Hm.", PLAIN, id="mistral"),
        pytest.param(MOONSHOT, "", Usage(7, 3, cached_tokens=2), id="moonshot"),
        pytest.param(XAI, "Hm.", Usage(7, 53, cached_tokens=2, reasoning_tokens=50), id="xai"),
        pytest.param(BARE, "", None, id="bare"),
    ],
)
def test_a_dialects_stream_is_understood(wire, stream, thought, usage):
    """The same words, thoughts and counts from all of them, over real HTTP, in odd pieces."""
    raw = stream.encode()
    wire.replies([head("200 OK"), raw[:61], raw[61:300], raw[300:]])
    provider = OpenAIProvider(ProviderConfig("up", "openai", base_url=wire.url))
    tally = Tally()

    for chunk in provider.stream(ChatRequest("m", ASKED)):
        tally.add(chunk)

    outcome = tally.outcome(error=None, cancelled=False, first_token_s=None, duration_s=0.0)
    assert (outcome.text, outcome.reasoning) == ("Yes.", thought)
    assert (outcome.finish_reason, outcome.usage) == ("stop", usage)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "m", "code": 429}, "choices": []}, protocol.ProviderRateLimited),
        ({"object": "error", "message": "m", "type": "BadRequestError", "code": 400},
         protocol.ProviderRejected),
        ({"object": "error", "message": "m", "type": "InternalServerError", "code": 500},
         protocol.ProviderUnavailable),
        ({"choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]},
         protocol.ProviderUnavailable),
        ([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], protocol.ProviderRateLimited),
        ([{"error": {"code": 503, "status": "UNAVAILABLE"}}], protocol.ProviderUnavailable),
        ([], protocol.ProviderMalformed),
        ([5], protocol.ProviderMalformed),
    ],
)  # fmt: skip
def test_an_error_is_one_in_whatever_shape(event, kind):
    """OpenRouter's, vLLM's, Gemini's in a list, and a finish reason that is none."""
    with pytest.raises(kind):
        streamed_chunk(ServerEvent(json.dumps(event).encode()), "")


def test_a_refusal_in_the_place_of_a_chunk_keeps_its_code_and_field():
    """Clients act on `context_length_exceeded`, wherever it is said."""
    error = {"message": "m", "type": "invalid_request_error", "param": "messages"}
    told = {"error": {**error, "code": "context_length_exceeded"}}

    with pytest.raises(protocol.ProviderRejected) as caught:
        streamed_chunk(ServerEvent(json.dumps(told).encode()), "")

    assert (caught.value.param, caught.value.upstream_code) == (
        "messages",
        "context_length_exceeded",
    )


@pytest.mark.parametrize("told", ['{"message": "m", "type": "rate_limit"}', '{"error": "m"}', "{}"])
def test_an_event_called_error_is_one(told):
    """Whatever it holds."""
    with pytest.raises(protocol.ProviderError):
        streamed_chunk(ServerEvent(told.encode(), "error"), "")


def test_an_event_called_error_may_hold_half_a_character():
    """Its words are shown, which half a character cannot be."""
    told = r'{"message": "a\ud83d", "type": "invalid_request"}'

    with pytest.raises(protocol.ProviderRejected, match=r"^a\?$"):
        streamed_chunk(ServerEvent(told.encode(), "error"), "")


@pytest.mark.parametrize(
    "delta",
    [
        {"refusal": "I cannot."},
        {"content": "", "refusal": "I cannot."},
        {"content": None, "audio": {"id": "a", "data": "AAAA", "transcript": "I cannot."}},
    ],
)
def test_a_refusal_and_what_was_spoken_are_the_answers_text(delta):
    """A conversation would show an empty message; what is relayed has the word as it came."""
    raw = json.dumps({"choices": [{"delta": delta, "message": delta}]}).encode()

    chunks = [streamed_chunk(ServerEvent(raw), ""), whole_chunk(raw, "")]

    assert [(each.text, each.raw) for each in chunks] == [("I cannot.", raw)] * 2


@pytest.mark.parametrize(
    ("delta", "has_begun"),
    [
        ({"refusal": "I"}, True),
        ({"audio": {"id": "a", "data": "AAAA"}}, True),
        ({"role": "assistant", "content": "", "refusal": None, "audio": None}, False),
    ],
)
def test_a_refusal_and_a_spoken_word_begin_an_answer(delta, has_begun):
    """The wait for a first token must not end one that is being given."""
    chunk = streamed_chunk(ServerEvent(json.dumps(_choice(**delta)).encode()), "")

    assert chunk.says_something is has_begun


CALL = {"function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    ("choices", "chars"),
    [
        ([{"index": 1, "delta": {"content": "hello"}}], 5),
        ([{"index": 1, "delta": {"reasoning": "hm", "refusal": "no", "tool_calls": [CALL]}}], 12),
        ([{"index": 1, "delta": {"tool_calls": [None, {"function": None}, {}]}}], 0),
        ([{"index": 1, "delta": None}, {"index": 2, "delta": {"content": 5}}], 0),
        ([{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "bc"}}], 2),
        ([{"index": 0, "delta": {"content": "a"}}], 0),
        ([], 0),
    ],
)
def test_what_other_choices_say_is_counted(choices, chars):
    """They are paid for as the first one is, and estimated where nobody counts."""
    chunk = streamed_chunk(ServerEvent(json.dumps({"choices": choices}).encode()), "")

    assert chunk.beside_chars == chars
    assert chunk.says_something is bool(chars or chunk.text)


def test_what_other_choices_say_is_counted_in_a_whole_answer():
    """Likewise."""
    raw = json.dumps({"choices": [{"message": {"content": each}} for each in ("a", "bc", "def")]})

    chunk = whole_chunk(raw.encode(), "")

    assert (chunk.text, chunk.beside_chars) == ("a", 5)


@pytest.mark.parametrize("index", [0, 1])
def test_a_chunk_over_several_lines_is_relayed_on_one(index):
    """A client loses the lines of an event that do not begin with `data:`."""
    raw = json.dumps(
        {"choices": [{"index": index, "delta": {"content": "a\n"}}]}, indent=1
    ).encode()

    relayed = streamed_chunk(ServerEvent(raw), "").raw or b""

    assert b"\n" not in relayed
    assert json.loads(relayed) == json.loads(raw)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"), ("STOP", "stop"), ("MAX_TOKENS", "length"), ("eos", "stop"),
        ("tool_use", "tool_calls"), ("function_call", "tool_calls"), ("SAFETY", "content_filter"),
        ("content_filter: RECITATION", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"),
        ("function_call_filter: MALFORMED", "function_call_filter: MALFORMED"),
        ("", None), (None, None), (5, None), ("new\x00" * 30, ("new" * 30)[:40]),
    ],
)  # fmt: skip
def test_why_it_ended_is_said_in_openais_words_where_they_are_known(said, reason):
    """Gateways let other formats' words through."""
    raw = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": said}]}).encode()

    assert whole_chunk(raw, "").finish_reason == reason


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 5}, PLAIN),
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 30,
          "completion_tokens_details": {"reasoning_tokens": 4}},
         Usage(7, 7, reasoning_tokens=4)),
        ({"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 30,
          "prompt_tokens_details": {"cached_tokens": 5}}, Usage(7, 3, cached_tokens=5)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "cache_creation_input_tokens": 2,
          "prompt_tokens_details": {"cached_tokens": 4}},
         Usage(9, 3, cached_tokens=4, cache_write_tokens=2)),
    ],
)  # fmt: skip
def test_what_a_total_hides_is_thought_only_where_it_can_be(usage, counted):
    """Too much of it would bill what was never written."""
    raw = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode()

    assert whole_chunk(raw, "").usage == counted


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 7, "total_tokens": 7}, Usage(7, 0)),
        ({"prompt_tokens": 7, "completion_tokens": None, "total_tokens": 10}, PLAIN),
        ({"completion_tokens": 3, "total_tokens": 10}, PLAIN),
        ({"completion_tokens": 3}, None),
        ({"prompt_tokens": 7}, None),
        ({"prompt_tokens": 7.5, "completion_tokens": 3}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 3, "total_tokens": 2}, None),
        ({"prompt_tokens": 7, "completion_tokens": -1, "total_tokens": 6}, None),
        ({"prompt_tokens": "7", "completion_tokens": 3, "total_tokens": "10"}, None),
        ({"total_tokens": 10}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage(0, 0)),
    ],
)
def test_half_a_count_is_none_unless_the_total_tells_the_rest(usage, counted):
    """The half that is missing would be booked as free, and as counted."""
    raw = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode()

    assert whole_chunk(raw, "").usage == counted

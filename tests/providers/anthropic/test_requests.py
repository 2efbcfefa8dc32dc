"""Requests in OpenAI's shape as the Messages API wants them."""

import pytest

from providers.anthropic.requests import DEFAULT_MAX_TOKENS, JSON_ONLY, messages_body
from providers.protocol import ChatRequest, ProviderRejected

ASKED = [{"role": "user", "content": "hi"}]
TURNS = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
PLAIN = {"model": "m", "messages": TURNS, "stream": True, "max_tokens": DEFAULT_MAX_TOKENS}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
TOOL = {"name": "f", "input_schema": SCHEMA}


def _body(*, stream=True, most=None, **asked):
    body = {"messages": ASKED, **asked}
    return messages_body(ChatRequest("m", body, stream=stream, max_output_tokens=most))


def test_a_plain_question_has_what_must_be_there():
    """The model, the turns, a limit, and whether to stream."""
    assert _body() == PLAIN
    assert _body(stream=False)["stream"] is False


@pytest.mark.parametrize(
    ("asked", "most", "limit"),
    [
        ({}, 64_000, 64_000),
        ({"max_tokens": 5}, 64_000, 5),
        ({"max_completion_tokens": 6, "max_tokens": 5}, None, 6),
        ({"max_tokens": None}, None, DEFAULT_MAX_TOKENS),
        ({"max_tokens": "five"}, None, "five"),
    ],
)
def test_the_limit_is_the_callers_or_the_models_own(asked, most, limit):
    """Anthropic demands one; a wrong one is Anthropic's to refuse."""
    assert _body(most=most, **asked)["max_tokens"] == limit


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({"temperature": 0.3}, {"temperature": 0.3}),
        ({"temperature": 1.7}, {"temperature": 1.0}),
        ({"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"stop": None}, {}),
        ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
        ({"metadata": {"user_id": "u2", "team": "t"}}, {"metadata": {"user_id": "u2"}}),
        ({"metadata": {"team": "t"}}, {}),
        ({"service_tier": "standard_only"}, {"service_tier": "standard_only"}),
        ({"service_tier": "flex"}, {}),
        ({"frequency_penalty": 1, "seed": 7, "logit_bias": {}, "stream_options": {}}, {}),
        ({"n": 1, "logprobs": False, "modalities": ["text"]}, {}),
        ({"top_k": 5, "tomorrow": {"a": 1}}, {"top_k": 5, "tomorrow": {"a": 1}}),
        (
            {"temperature": 0.3, "reasoning_effort": "high"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        ({"temperature": 0, "thinking": {"type": "disabled"}},
         {"temperature": 0, "thinking": {"type": "disabled"}}),
    ],
)  # fmt: skip
def test_fields_are_said_in_anthropics_words(asked, fields):
    """What has no place is left out, what is unknown goes on."""
    assert _body(**asked) == {**PLAIN, **fields}


@pytest.mark.parametrize(
    ("asked", "fields"),
    [
        ({}, {}),
        ({"tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        ({"tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "tool", "name": "f"}},
        ),
        ({"tool_choice": {"type": "any"}}, {"tool_choice": {"type": "any"}}),
        (
            {"parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        (
            {"tool_choice": "required", "parallel_tool_calls": False},
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        ),
        (
            {"tool_choice": "none", "parallel_tool_calls": False},
            {"tool_choice": {"type": "none"}},
        ),
        ({"parallel_tool_calls": True}, {}),
    ],
)
def test_which_tool_is_to_be_called(asked, fields):
    """All of OpenAI's ways to say it, and whether several at once may be."""
    assert _body(tools=[FUNCTION], **asked) == {**PLAIN, "tools": [TOOL], **fields}


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        (
            {"type": "function", "function": {"name": "f", "description": "d", "strict": True}},
            {
                "name": "f",
                "description": "d",
                "strict": True,
                "input_schema": {"type": "object", "properties": {}},
            },
        ),
        ({**FUNCTION, "cache_control": {"type": "e"}}, {**TOOL, "cache_control": {"type": "e"}}),
        (
            {"type": "web_search_20250305", "name": "w"},
            {"type": "web_search_20250305", "name": "w"},
        ),
    ],
)
def test_tools_keep_what_they_say(tool, sent):
    """Anthropic's own go as they are."""
    assert _body(tools=[tool])["tools"] == [sent]


def test_a_choice_without_tools_is_not_sent():
    """Anthropic refuses it."""
    assert _body(tool_choice="auto", parallel_tool_calls=False, tools=[]) == PLAIN


def test_a_schema_for_the_answer_is_a_format():
    """Beside other words on the output."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}

    body = _body(response_format=wanted, output_config={"effort": "low"})

    assert body["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }


def test_json_of_any_kind_is_asked_for_in_words():
    """There is no field for it."""
    said = [{"role": "system", "content": "be kind"}, *ASKED]

    body = _body(messages=said, response_format={"type": "json_object"})

    assert [each["text"] for each in body["system"]] == ["be kind", JSON_ONLY]
    assert "system" not in _body(response_format={"type": "text"})


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{}]}, "functions"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_is_refused(asked, param):
    """An answer that silently lacks what was asked for is worse than none."""
    with pytest.raises(ProviderRejected) as refused:
        _body(**asked)

    assert refused.value.param == param

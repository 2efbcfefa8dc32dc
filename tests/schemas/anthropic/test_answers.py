"""What Anthropic's clients read."""

from typing import Any

import msgspec
import pytest

from schemas.anthropic import answers


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
        (None, "end_turn"),
        ("cancelled", None),
    ],
)
def test_reasons_have_anthropics_names(finish_reason, reason):
    """A cut answer is not called a whole one."""
    assert answers.stop_reason(finish_reason) == reason


def test_cached_tokens_stand_apart():
    """Anthropic's `input_tokens` are those that no cache had; the sum is the prompt."""
    usage = answers.usage(100, 7, cached=60, written=30)

    assert usage == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 7,
    }


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"a": 1}', {"a": 1}),
        ("", {}),
        ("{oops", {"arguments": "{oops"}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_arguments_are_an_object(arguments, given):
    """A model's broken JSON is shown, not lost."""
    call = {"id": "t", "function": {"name": "f", "arguments": arguments}}

    assert answers.block_of_call(call) == {
        "type": "tool_use",
        "id": "t",
        "name": "f",
        "input": given,
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, "invalid_request_error"), (404, "not_found_error"), (418, "invalid_request_error"),
     (429, "rate_limit_error"), (502, "api_error")],
)  # fmt: skip
def test_an_errors_type_goes_by_its_status(status, kind):
    """As Anthropic documents it."""
    error = msgspec.json.decode(answers.error_json("m", status, "r"))

    assert error == {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "r"}


def test_the_engines_problem_becomes_an_error_that_clients_raise():
    """One that is of the shape already stays."""
    ours = answers.error_json("m", 500, None)
    problem = b'{"type":"urn:larder:problem:producer_lost","detail":"Lost.","code":"producer_lost"}'

    assert answers.error_data(ours) == ours
    assert msgspec.json.decode(answers.error_data(problem))["error"]["message"] == "Lost."


SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "s"}


@pytest.mark.parametrize(
    ("reasoning", "details", "blocks"),
    [
        ("", [], []),
        ("hm", [], [{"type": "thinking", "thinking": "hm", "signature": ""}]),
        ("hm", [SIGNED], [{"type": "thinking", "thinking": "hm", "signature": "s"}]),
        (
            "hm",
            [{"type": "reasoning.encrypted", "data": "e"}],
            [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "redacted_thinking", "data": "e"},
            ],
        ),
        ("hm", [{"type": "reasoning.text", "text": "hm"}],
         [{"type": "thinking", "thinking": "hm", "signature": ""}]),
    ],
)  # fmt: skip
def test_thoughts_are_blocks_signed_where_they_came_so(reasoning, details, blocks):
    """Only signed or encrypted ones are of use to the provider again."""
    assert answers.thoughts(reasoning, details) == blocks


@pytest.mark.parametrize(
    ("block", "start", "deltas"),
    [
        (
            {"type": "text", "text": "a", "citations": None},
            {"type": "text", "text": ""},
            [{"type": "text_delta", "text": "a"}],
        ),
        (
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            [{"type": "input_json_delta", "partial_json": "{}"}],
        ),
        (
            {"type": "thinking", "thinking": "hm"},
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": "hm"},
                {"type": "signature_delta", "signature": ""},
            ],
        ),
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            [{"type": "input_json_delta", "partial_json": '{"q":1}'}],
        ),
        ({"type": "of_tomorrow", "x": 1}, {"type": "of_tomorrow", "x": 1}, []),
    ],
)
def test_a_whole_block_is_taken_apart(block, start, deltas):
    """As a stream begins and fills it."""
    assert answers.taken_apart(block) == (start, deltas)


BLOCKS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "hm", "signature": "s"},
    {"type": "redacted_thinking", "data": "x"},
    {"type": "text", "text": "a", "citations": [{"n": 1}, {"n": 2}]},
    {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"n": 1}]},
    {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
]


def _events(*streamed):
    for start, deltas in streamed:
        yield answers.event_json("content_block_start", content_block=start)
        for delta in deltas:
            yield answers.event_json("content_block_delta", delta=delta)
        yield answers.event_json("content_block_stop")


def test_what_was_taken_apart_is_put_together_again():
    """Whatever the blocks, and in their order."""
    assert answers.put_together(_events(*map(answers.taken_apart, BLOCKS))) == BLOCKS


@pytest.mark.parametrize(
    ("start", "deltas", "block"),
    [
        ({"text": "a"}, [{"text": "b"}, {"text": "c"}], {"text": "abc"}),
        ({"citations": []}, [{"citation": {"n": 1}}], {"citations": [{"n": 1}]}),
        ({"input": {}}, [{"partial_json": '{"a"'}, {"partial_json": ":1}"}], {"input": {"a": 1}}),
        ({"input": {"a": 1}}, [{"partial_json": ""}], {"input": {"a": 1}}),
        (None, [{"text": "a"}, {"text": 7}], {"text": "a"}),
        ({"input": {}}, [{"partial_json": "{oops"}], {"input": {"arguments": "{oops"}}),
    ],
)
def test_deltas_fill_a_block(start, deltas, block):
    """What it began with stays; broken JSON is shown, not lost."""
    assert answers.put_together(_events((start, deltas))) == [block]


def test_what_is_told_at_the_end_has_its_places():
    """With the reason, with the usage, and beside them."""
    ending = {"container": {"id": "c"}, "server_tool_use": {"n": 1}, "of_tomorrow": 1}

    assert answers.at_its_end(ending) == (
        {"container": {"id": "c"}},
        {"server_tool_use": {"n": 1}},
        {"of_tomorrow": 1},
    )

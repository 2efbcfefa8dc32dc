"""How hard a model is to think, in Anthropic's fields."""

import pytest

from providers.anthropic.thinking import reasoning_fields
from providers.protocol import ChatRequest

USER = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
USED = {"role": "assistant", "content": [{"type": "tool_use"}]}
ADAPTIVE = {"type": "adaptive"}
OLD = ("chat", "thinking")


def _fields(asked, *, capabilities=(), most=None, max_tokens=1000, turns=(USER,), **body):
    request = ChatRequest("m", {}, max_output_tokens=most, capabilities=capabilities)
    sent = {"messages": list(turns), "max_tokens": max_tokens, **body}
    return reasoning_fields(asked, sent, {}, request)


@pytest.mark.parametrize(
    ("effort", "said"),
    [
        ("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"),
        ("xhigh", "xhigh"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("capabilities", [(), ("thinking", "adaptive_thinking", "effort")])
def test_an_effort_is_adaptive_thinking_where_the_model_can(effort, said, capabilities):
    """It can, unless the catalogue says otherwise."""
    fields = _fields({"reasoning_effort": effort}, capabilities=capabilities)

    assert fields == {"thinking": ADAPTIVE, "output_config": {"effort": said}}


def test_a_model_without_levels_of_effort_is_not_told_one():
    """It would refuse the field."""
    fields = _fields({"reasoning_effort": "high"}, capabilities=("thinking", "adaptive_thinking"))

    assert fields == {"thinking": ADAPTIVE}


@pytest.mark.parametrize(
    ("effort", "given", "most", "budget", "whole"),
    [
        ("medium", 1000, None, 8192, 9192),
        ("high", 1000, 64_000, 16_384, 17_384),
        ("high", 1000, 8000, 7999, 8000),
        ("low", 4096, 4096, 2048, 4096),
        ("low", 500_000, None, 2048, 502_048),
    ],
)
def test_an_older_model_gets_a_budget_and_room_for_it(effort, given, most, budget, whole):
    """Thoughts count as output: the answer must not lose its own room, where there is more."""
    fields = _fields({"reasoning_effort": effort}, capabilities=OLD, most=most, max_tokens=given)

    assert fields == {
        "thinking": {"type": "enabled", "budget_tokens": budget},
        "max_tokens": whole,
    }


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        ({}, {}),
        ({"reasoning_effort": "extreme"}, {}),
        ({"reasoning_effort": 5}, {}),
        ({"reasoning_effort": "high"}, {"capabilities": ("chat",)}),
        ({"reasoning_effort": "high"}, {"capabilities": OLD, "most": 1000}),
        ({"reasoning_effort": "high"}, {"capabilities": OLD, "max_tokens": "many"}),
        ({"reasoning_effort": "high"}, {"tool_choice": {"type": "any"}}),
        ({"reasoning_effort": "high"}, {"turns": (USER, USED, USER)}),
    ],
)
def test_where_thinking_cannot_be_it_is_not_asked_for(asked, more):
    """An effort is a wish; the call must not fail for it."""
    assert _fields(asked, **more) == {}


def test_thoughts_that_came_back_allow_more():
    """Between a call and its result the model goes on thinking."""
    thought = {"role": "assistant", "content": [{"type": "thinking"}, {"type": "tool_use"}]}

    fields = _fields({"reasoning_effort": "low"}, turns=(USER, thought, USER))

    assert fields["thinking"] == ADAPTIVE


@pytest.mark.parametrize(
    ("asked", "thinking"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"thinking": {"type": "x"}, "reasoning_effort": "high"}, {"type": "x"}),
    ],
)
def test_anthropics_own_field_goes_before_and_none_means_none(asked, thinking):
    """Who knows the API says it in its words."""
    assert _fields(asked) == {"thinking": thinking}

"""A Messages request as the chat completion it asks for."""

import pytest
from marshmallow import ValidationError

from schemas.anthropic.requests import CountSchema, MessagesSchema, with_betas, with_known_limit
from schemas.response_cache import CacheControls

HELLO = [{"role": "user", "content": "hello"}]
MARK = {"type": "ephemeral"}


def _asked(model="acme/m", **fields):
    return MessagesSchema().load({"model": model, "max_tokens": 9, "messages": HELLO, **fields})


def test_the_least_request():
    """Not streamed, and the limit under the name that most providers know."""
    asked = _asked()

    assert (asked.model, asked.stream, asked.include_usage) == ("acme/m", False, True)
    assert asked.body == asked.plain == {"messages": HELLO, "max_tokens": 9}


def test_what_both_formats_have_is_renamed_what_neither_knows_is_passed_on():
    """A provider may know more than we do."""
    asked = _asked(
        system="Be brief.", stop_sequences=["END"], temperature=0.5, stream=True, tomorrow=1
    )

    assert asked.stream is True
    assert asked.plain == {
        "messages": [{"role": "system", "content": "Be brief."}, *HELLO],
        "max_tokens": 9,
        "stop": ["END"],
        "temperature": 0.5,
        "tomorrow": 1,
    }


def test_tools_are_functions():
    """Their schema is the parameters."""
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    own = {"cache_control": MARK, "strict": True, "input_examples": [{"city": "Oslo"}]}
    tool = {"name": "weather", "description": "d", "input_schema": schema, **own}
    asked = _asked(tools=[tool, {"type": "custom", "name": "now"}])

    first = {
        "type": "function",
        "function": {"name": "weather", "description": "d", "parameters": schema},
    }
    empty = {"type": "object", "properties": {}}
    assert asked.plain["tools"] == [
        first,
        {"type": "function", "function": {"name": "now", "parameters": empty}},
    ]
    assert asked.body["tools"][0] == {**first, **own}


def test_tools_of_anthropics_own_go_as_they_are_and_to_nobody_else():
    """They have no schema, and may have no name."""
    own = [{"type": "mcp_toolset", "mcp_server_name": "s"}, {"type": "bash_20250124"}]
    asked = _asked(tools=[{"name": "f"}, *own])

    assert asked.body["tools"][1:] == own
    assert asked.plain is None
    assert asked.untranslatable.field == "tools.1.type"
    assert _asked().untranslatable is None


CLOSED = {"type": "object", "properties": {}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("tool", "promise"),
    [
        ({"strict": True, "input_schema": CLOSED}, {"strict": True}),
        ({"strict": False, "input_schema": CLOSED}, {}),
        ({"input_schema": CLOSED}, {}),
        ({"strict": True, "input_schema": {"type": "object"}}, {}),
    ],
)
def test_a_tool_is_strict_for_openai_as_well_where_its_schema_can_be(tool, promise):
    """Its arguments are then sure to be of the schema; OpenAI refuses strictness with others."""
    asked = _asked(tools=[{"name": "f", **tool}])

    function = {"name": "f", "parameters": tool["input_schema"], **promise}
    assert asked.plain["tools"] == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "f"},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_a_choice_of_tools_keeps_its_meaning(choice, said):
    """The words differ."""
    asked = _asked(tool_choice=choice)

    assert {name: asked.plain[name] for name in said} == said


@pytest.mark.parametrize(
    ("budget", "effort"), [(1024, "low"), (4096, "low"), (10_000, "medium"), (32_000, "high")]
)
def test_thinking_is_an_effort_for_others(budget, effort):
    """Anthropic's own adapter gets it as it was said."""
    thinking = {"type": "enabled", "budget_tokens": budget}
    asked = _asked(thinking=thinking, top_k=5)

    assert asked.plain["reasoning_effort"] == effort
    assert {"thinking", "top_k"} & asked.plain.keys() == set()
    assert (asked.body["thinking"], asked.body["top_k"]) == (thinking, 5)


@pytest.mark.parametrize(
    ("thinking", "effort", "said"),
    [
        ({"type": "adaptive"}, "medium", {"reasoning_effort": "medium"}),
        ({"type": "adaptive"}, "max", {"reasoning_effort": "high"}),
        ({"type": "adaptive"}, ["max"], {}),
        ({"type": "disabled"}, "low", {}),
        (None, "low", {}),
    ],
)
def test_an_effort_is_said_to_others_where_they_are_to_think(thinking, effort, said):
    """Models that do not think refuse the word; what else only Anthropic knows is left out."""
    asked = _asked(
        thinking=thinking,
        output_config={"effort": effort},
        cache_control=MARK,
        service_tier="standard_only",
    )

    assert asked.plain == {"messages": HELLO, "max_tokens": 9, **said}
    assert asked.body["output_config"] == {"effort": effort}


@pytest.mark.parametrize(
    ("schema", "promise"), [(CLOSED, {"strict": True}), ({"type": "object"}, {})]
)
def test_the_schema_of_an_answer_is_its_format(schema, promise):
    """OpenAI wants it named, and keeps to it for sure where it is strict."""
    asked = _asked(output_config={"format": {"type": "json_schema", "schema": schema}})

    assert asked.plain["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, **promise},
    }


def test_the_user_of_the_metadata_is_openais_user():
    """Providers watch for abuse by it."""
    asked = _asked(metadata={"user_id": "u-1"})

    assert asked.plain["user"] == "u-1"
    assert "metadata" not in asked.plain


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5", "openai/gpt-5.1"])
def test_reasoning_models_are_told_the_limit_by_its_new_name(model):
    """They refuse the old one."""
    assert with_known_limit(model, {"max_tokens": 9, "n": 1}) == {
        "max_completion_tokens": 9, "n": 1,
    }  # fmt: skip


def test_other_models_are_told_the_limit_by_its_old_name():
    """Most of them know no other."""
    plain = _asked("o1-smart").plain

    assert with_known_limit("gpt-4o", plain) is plain
    assert plain["max_tokens"] == 9


def test_what_is_said_of_the_response_cache_is_no_part_of_the_request():
    """It is Larder's own word."""
    asked = _asked(cache={"ttl": 60})

    assert asked.cache == CacheControls(ttl_s=60)
    assert "cache" not in asked.body


def test_counting_needs_no_limit_of_the_answer():
    """There is none."""
    assert CountSchema().load({"model": "m", "messages": HELLO}).plain == {"messages": HELLO}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"stream": "yes"}, "stream"),
        ({"system": 7}, "system"),
        ({"system": [{"type": "image"}]}, "system.0.type"),
        ({"tools": [{"type": "function", "name": "w"}]}, "tools.0.type"),
        ({"tools": [{"type": 7, "name": "w"}]}, "tools.0.type"),
        ({"tools": [{}]}, "tools.0.name"),
        ({"tool_choice": {"type": "all"}}, "tool_choice.type"),
        ({"cache": {"ttl": -1}}, "cache"),
    ],
)
def test_a_wrong_field_is_named(fields, named):
    """A 400 that says what to mend."""
    with pytest.raises(ValidationError) as caught:
        _asked(**fields)

    assert named in caught.value.normalized_messages()


@pytest.mark.parametrize("turn", [{"role": "system", "content": "x"}, {"role": "user"}, "x"])
def test_a_turn_is_the_users_or_the_assistants(turn):
    """With content."""
    with pytest.raises(ValidationError):
        _asked(messages=[turn])


def test_betas_are_part_of_what_anthropics_models_are_asked():
    """And of nothing that others are."""
    asked = with_betas(_asked(), "one-2026-01-01,two, three")

    assert asked.body["anthropic_beta"] == ["one-2026-01-01", "two", "three"]
    assert asked.plain == _asked().plain
    assert "anthropic_beta" not in (_asked(anthropic_beta=["one"]).plain or {})


@pytest.mark.parametrize("said", [",", "a,,b", "a b", "a;b", "x" * 101, ",".join("a" * 51)])
def test_what_is_no_list_of_betas_is_refused(said):
    """It becomes a header again."""
    with pytest.raises(ValueError, match="names of betas"):
        with_betas(_asked(), said)

"""What of a Messages request only Anthropic's models can be told."""

import pytest

from schemas.anthropic.own import first_untranslatable, is_own_block, is_own_tool


def _source(kind, of):
    return {"type": kind, "source": {"type": of}}


@pytest.mark.parametrize(
    ("block", "is_own"),
    [
        ({"type": "text"}, False),
        ({"type": "tool_result"}, False),
        ({"type": "server_tool_use"}, True),
        ({"type": "of_tomorrow"}, True),
        ({"type": "image_url"}, False),
        ({"type": ""}, False),
        ({"type": ["x"]}, False),
        ({}, False),
        (_source("image", "base64"), False),
        (_source("image", "file"), True),
        (_source("document", "text"), False),
        (_source("document", "content"), True),
        ({"type": "image", "source": 7}, False),
        (_source("image", None), False),
    ],
)
def test_a_block_is_anthropics_own_by_its_kind_or_its_source(block, is_own):
    """Those of OpenAI's format are not: adapters would take them for what they are there."""
    assert is_own_block(block) is is_own


@pytest.mark.parametrize(
    ("kind", "is_own"),
    [("bash_20250124", True), ("custom", False), ("function", False), (None, False), (7, False)],
)
def test_a_tool_is_anthropics_own_by_its_type(kind, is_own):
    """Without one it is the client's."""
    assert is_own_tool({"type": kind, "name": "n"}) is is_own


TEXT = {"role": "user", "content": "hello"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "search_result"}]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tools": [{"name": "f"}, {"type": "bash_20250124"}]}, "tools.1.type"),
        ({"mcp_servers": [{"name": "s"}]}, "mcp_servers"),
        (
            {"messages": [TEXT, {"role": "user", "content": [{"type": "text"}, {"type": "x"}]}]},
            "messages.1.content.1.type",
        ),
        ({"messages": [{"content": [RESULT]}]}, "messages.0.content.0.content.0.type"),
        (
            {"messages": [{"content": [_source("image", "file")]}]},
            "messages.0.content.0.source.type",
        ),
        ({"mcp_servers": [], "tools": [{"name": "f"}]}, None),
    ],
)
def test_the_first_place_is_named(fields, field):
    """As the client wrote it."""
    found = first_untranslatable({"messages": [TEXT], **fields})

    assert (found and found.field) == field

"""Which schemas OpenAI's strict mode takes."""

from typing import Any

import pytest

from schemas.anthropic.strictness import takes_strictly


def _object(required=None, **properties):
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _nested(levels):
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return _object(x=schema)


TEXT: dict[str, Any] = {"type": "string", "description": "d", "format": "date-time"}
TREE = {**_object(x={"$ref": "#/$defs/T"}), "$defs": {"T": _object(y=TEXT)}}


@pytest.mark.parametrize(
    "schema",
    [
        _object(),
        {"type": "object", "properties": {}, "additionalProperties": False},
        _object(x=TEXT, y={"anyOf": [_object(z=TEXT), {"type": "null"}]}),
        _object(x={"type": "array", "items": _object(y={"type": ["integer", "null"]})}),
        TREE,
        _nested(9),
    ],
)
def test_closed_objects_of_known_words_are_taken(schema):
    """Every property required, none beside."""
    assert takes_strictly(schema)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        [],
        {"type": "array", "items": TEXT},
        {"type": "object"},
        {"type": "object", "properties": {}},
        _object(required=[], x=TEXT),
        {**_object(x=TEXT), "required": "x"},
        {**_object(), "properties": []},
        {**_object(), "$defs": []},
        {**_object(), "anyOf": {}},
        {**_object(), "allOf": []},
        _object(x={"type": "string", "default": "a"}),
        _object(x={"type": "string", "format": "uri"}),
        _object(x={"type": "string", "format": {}}),
        _object(x={"type": ["object", "null"]}),
        _object(x={"type": "array", "items": {"type": "object"}}),
        _object(x={"anyOf": [TEXT, {"type": "object"}]}),
        {**TREE, "$defs": {"T": _object(required=[], y=TEXT)}},
        _object(x=True),
        _nested(400),
    ],
)
def test_any_other_is_not(schema):
    """OpenAI refuses it where it is asked for strictly."""
    assert not takes_strictly(schema)

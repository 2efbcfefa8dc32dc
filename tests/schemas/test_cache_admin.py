"""The shapes of cache administration."""

import pytest
from marshmallow import ValidationError

from schemas.cache_admin import (
    EntryWrite,
    EntryWriteSchema,
    KeyQuery,
    KeyQuerySchema,
    ScopeQuerySchema,
    WarmRequestSchema,
)


def test_keys_are_asked_for_without_any_filter():
    """The first page of everything."""
    assert KeyQuerySchema().load({}) == KeyQuery(prefix="", limit=50, cursor=None, scope=None)


def test_filters_are_taken_over():
    """As they are written: none of them is trimmed or folded."""
    asked = {"prefix": "Folders:", "limit": "7", "cursor": "17", "scope": "u1"}

    assert KeyQuerySchema().load(asked) == KeyQuery("Folders:", 7, "17", "u1")


@pytest.mark.parametrize(
    "asked",
    [{"scope": "x" * 201}, {"prefix": "x" * 201}, {"cursor": "x" * 2001}, {"scope": "a\x00"}],
)
def test_texts_are_bounded(asked):
    """Every text of a client has an end."""
    with pytest.raises(ValidationError) as refused:
        KeyQuerySchema().load(asked)

    assert list(refused.value.normalized_messages()) == list(asked)


@pytest.mark.parametrize("schema", [KeyQuerySchema, ScopeQuerySchema, WarmRequestSchema])
def test_an_unknown_name_is_refused(schema):
    """A misspelt filter would otherwise filter nothing."""
    with pytest.raises(ValidationError):
        schema().load({"skope": "u1"})


@pytest.mark.parametrize("value", [None, 0, "", [], {}, {"items": [1]}])
def test_any_json_can_be_a_value(value):
    """Null included: it is a value that a loader may have given."""
    assert EntryWriteSchema().load({"value": value, "ttl": 60}) == EntryWrite(value, 60)


@pytest.mark.parametrize("ttl", [0, -1, 30 * 86400 + 1, 1.5, True, None, "a day"])
def test_a_ttl_is_whole_seconds_up_to_thirty_days(ttl):
    """What is set by hand does not stay for ever."""
    with pytest.raises(ValidationError) as refused:
        EntryWriteSchema().load({"value": 1, "ttl": ttl})

    assert list(refused.value.normalized_messages()) == ["ttl"]


@pytest.mark.parametrize("sent", [{"ttl": 60}, {"value": 1}])
def test_a_value_and_its_ttl_are_both_needed(sent):
    """Neither has a usual one."""
    with pytest.raises(ValidationError):
        EntryWriteSchema().load(sent)


def test_all_strategies_are_meant_where_none_is_named():
    """The service knows which there are."""
    assert WarmRequestSchema().load({}) == {"strategies": None}


@pytest.mark.parametrize("strategies", [[], [""], ["x" * 61], ["x"] * 21, "prices", [7], [None]])
def test_a_choice_is_a_short_list_of_names(strategies):
    """An empty one is a mistake and not everything."""
    with pytest.raises(ValidationError):
        WarmRequestSchema().load({"strategies": strategies})

"""Pages, as every list has them."""

import pytest
from marshmallow import Schema, ValidationError, fields

from schemas.page import DEFAULT_LIMIT, PageQuerySchema, page_schema


class ThingSchema(Schema):
    """An item."""

    id = fields.String(required=True)


def test_a_page_is_of_fifty_from_the_beginning():
    """Where nobody says otherwise."""
    assert PageQuerySchema().load({}) == {"limit": DEFAULT_LIMIT, "cursor": None}


@pytest.mark.parametrize("limit", ["1", "200"])
def test_limits_from_one_to_two_hundred_are_taken(limit):
    """Both ends count."""
    assert PageQuerySchema().load({"limit": limit})["limit"] == int(limit)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", "9" * 40),
        ("limit", ""),
        ("cursor", "x" * 2001),
        ("offset", "3"),
    ],
)
def test_what_is_wrong_is_named(field, value):
    """No list gives all it has."""
    with pytest.raises(ValidationError) as refused:
        PageQuerySchema().load({field: value})

    assert set(refused.value.normalized_messages()) == {field}


def test_a_page_has_its_items_and_the_next_cursor():
    """Under a name of its own, for the document."""
    page = page_schema(ThingSchema)

    dumped = page().dump({"items": [{"id": "a", "secret": "x"}], "next_cursor": None})

    assert page.__name__ == "ThingPageSchema"
    assert dumped == {"items": [{"id": "a"}], "next_cursor": None}

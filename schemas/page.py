"""Lists as they all are: `limit` and `cursor` in, `items` and `next_cursor` out."""

from marshmallow import Schema, fields

from schemas.fields import StrictSchema, Text, WholeNumber

__all__ = ["DEFAULT_LIMIT", "PageQuerySchema", "page_schema"]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class PageQuerySchema(StrictSchema):
    """The two query parameters of every list."""

    limit = WholeNumber(low=1, high=MAX_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Text(max_chars=2000, load_default=None)


def page_schema(item: type[Schema]) -> type[Schema]:
    """The schema of a page of `item`."""
    name = item.__name__.removesuffix("Schema") + "PageSchema"
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "next_cursor": fields.String(allow_none=True, required=True),
        },
        name=name,
    )

"""The shapes of streams."""

from marshmallow import Schema, fields

from schemas.fields import StrictSchema, UtcTime, WholeNumber
from schemas.page import PageQuerySchema, page_schema

__all__ = [
    "ActiveQuerySchema",
    "ResumeQuerySchema",
    "StreamSchema",
    "StreamsSchema",
    "TicketSchema",
]


class StreamSchema(Schema):
    """A stream as its owner sees it."""

    id = fields.String(required=True)
    conversation_id = fields.String(required=True, allow_none=True)
    message_id = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, attribute="model_id")
    status = fields.String(required=True)
    started_at = UtcTime(required=True)
    ended_at = UtcTime(required=True, allow_none=True)


StreamsSchema = page_schema(StreamSchema)


class ActiveQuerySchema(PageQuerySchema):
    """Only running streams are listed; the parameter says so."""

    active = fields.Boolean(load_default=True)


class ResumeQuerySchema(StrictSchema):
    """Where to read on, for clients that cannot send `Last-Event-ID`."""

    after = WholeNumber(low=-1, high=2**53, load_default=None, allow_none=True)
    ticket = fields.String(load_default=None, metadata={"description": "In place of an API key."})


class TicketSchema(Schema):
    """A ticket to read one stream without an API key."""

    ticket = fields.String(required=True)
    path = fields.String(required=True, metadata={"description": "What it opens, for EventSource."})
    expires_at = UtcTime(required=True)

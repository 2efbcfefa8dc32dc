"""RFC 9457 problem objects."""

from marshmallow import Schema, fields

__all__ = ["ProblemSchema"]


class ProblemSchema(Schema):
    """What every error under `/api` looks like."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    code = fields.String(required=True)
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "For validation: each field with its messages."},
    )
    request_id = fields.String()

"""OpenAI's embeddings request.

https://platform.openai.com/docs/api-reference/embeddings

Fields that Larder does not know are passed to the provider, as OpenAI clients expect.
"""

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, post_load, validate

from schemas.fields import Id, WholeNumber
from schemas.openai import ChatCall
from schemas.response_cache import CacheControlsSchema

__all__ = ["EmbeddingsSchema"]

MAX_INPUTS = 2048
MAX_DIMENSIONS = 100_000
ENCODINGS = ("float", "base64")
INPUT_ABOUT = "Text, a list of texts, a list of tokens, or a list of such lists."


class _Input(fields.Field[Any]):
    """What is to be embedded."""

    def __init__(self, **options: Any) -> None:
        items = {"type": ["string", "integer", "array"]}
        shown = {"type": ["string", "array"], "items": items, "description": INPUT_ABOUT}
        super().__init__(metadata=shown, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        del attr, data, kwargs
        if isinstance(value, str) and value:
            return value
        if not isinstance(value, list) or not value:
            raise ValidationError("Must be text or a list that is not empty.")
        if len(value) > MAX_INPUTS and not _are_tokens(value):
            raise ValidationError(f"Must be {MAX_INPUTS} texts at most.")
        if not _are_tokens(value):
            _check_texts(value)
        return value


class EmbeddingsSchema(Schema):
    """The body of `POST /v1/embeddings`."""

    class Meta:
        """marshmallow's options."""

        unknown = INCLUDE

    model = Id(required=True)
    input = _Input(required=True)
    encoding_format = fields.String(validate=validate.OneOf(ENCODINGS))
    dimensions = WholeNumber(low=1, high=MAX_DIMENSIONS)
    cache = fields.Nested(CacheControlsSchema, load_default=None, allow_none=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ChatCall:
        """The loaded fields as one call."""
        body = dict(loaded)
        model, controls = body.pop("model"), body.pop("cache")
        return ChatCall(model, stream=False, include_usage=False, body=body, cache=controls)


def _are_tokens(value: list[Any]) -> bool:
    return all(type(each) is int and each >= 0 for each in value)


def _check_texts(value: list[Any]) -> None:
    """Refuse a list of anything but texts, or of anything but lists of tokens."""
    are_texts = all(isinstance(each, str) and each for each in value)
    are_lists = all(isinstance(each, list) and each and _are_tokens(each) for each in value)
    if not are_texts and not are_lists:
        raise ValidationError("Must be texts that are not empty, or lists of tokens.")

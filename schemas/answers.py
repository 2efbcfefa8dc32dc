"""The shapes of asking a model within a conversation."""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, fields, post_load, validates

from schemas.fields import Flag, Id, Items, StrictSchema, Text
from schemas.messages import ABOUT_CONTENT, MAX_CONTENT_CHARS
from schemas.response_cache import CacheControls, CacheControlsSchema

__all__ = ["MAX_FILES", "Question", "QuestionSchema", "Regenerate", "RegenerateSchema"]

MAX_FILES = 20
OURS = frozenset({"model", "messages", "stream", "stream_options", "n", "cache"})
MAX_PARAMS = 60


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, of which model, and where in the tree."""

    content: str
    model: str | None = None
    parent_id: str | None = None
    stream: bool = True
    params: dict[str, Any] = field(default_factory=dict)
    file_ids: list[str] = field(default_factory=list)
    cache: CacheControls | None = None


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Another answer to the same question."""

    model: str | None = None
    stream: bool = True
    params: dict[str, Any] = field(default_factory=dict)
    cache: CacheControls | None = None


class _AskSchema(StrictSchema):
    model = Id(load_default=None, allow_none=True)
    stream = Flag(load_default=True)
    params = fields.Dict(
        keys=Text(min_chars=1, max_chars=100),
        load_default=dict,
        metadata={"description": "Passed to the provider as they are, such as temperature."},
    )
    cache = fields.Nested(
        CacheControlsSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "Turns the response cache on."},
    )

    @validates("params")
    def check_params(self, params: dict[str, Any], **_: object) -> None:
        """Refuse what the conversation itself decides."""
        if len(params) > MAX_PARAMS:
            raise ValidationError(f"There can be {MAX_PARAMS} parameters at most.")
        taken = sorted(OURS & params.keys())
        if taken:
            raise ValidationError(f"Leave out {', '.join(taken)}: the conversation decides that.")


class QuestionSchema(_AskSchema):
    """A message to be answered."""

    content = Text(
        min_chars=1,
        max_chars=MAX_CONTENT_CHARS,
        required=True,
        metadata={"description": ABOUT_CONTENT},
    )
    parent_id = Id(load_default=None, allow_none=True)
    file_ids = Items(Id(), max_items=MAX_FILES, load_default=list)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> Question:
        """The loaded fields as one value."""
        return Question(**loaded)


class RegenerateSchema(_AskSchema):
    """Another answer, perhaps of another model."""

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> Regenerate:
        """The loaded fields as one value."""
        return Regenerate(**loaded)

"""The list of models as Anthropic's clients read it, a page at a time.

https://docs.anthropic.com/en/api/models-list
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from marshmallow import post_load

from schemas.fields import Id, StrictSchema, WholeNumber

__all__ = ["ModelPageQuery", "ModelPageQuerySchema", "model", "model_page"]

USUAL, MOST = 20, 1000


@dataclass(frozen=True, slots=True)
class ModelPageQuery:
    """Which page: so many models after, or before, one of this id."""

    limit: int = USUAL
    after_id: str | None = None
    before_id: str | None = None


class ModelPageQuerySchema(StrictSchema):
    """The query of `GET /v1/models`, of which OpenAI's clients send nothing."""

    limit = WholeNumber(low=1, high=MOST, load_default=USUAL)
    after_id = Id(load_default=None)
    before_id = Id(load_default=None)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> ModelPageQuery:
        """The loaded fields as one value."""
        return ModelPageQuery(**loaded)


def model(row: Mapping[str, Any]) -> dict[str, Any]:
    """A model of OpenAI's list in Anthropic's shape."""
    created_at = datetime.fromtimestamp(row["created"], UTC).isoformat().replace("+00:00", "Z")
    return {"type": "model", "id": row["id"], "display_name": row["id"], "created_at": created_at}


def model_page(rows: Sequence[Mapping[str, Any]], asked: ModelPageQuery) -> dict[str, Any]:
    """One page of OpenAI's list in Anthropic's shape.

    A model that is not there (any more) begins, or ends, the list: a page may come late.
    """
    ids = [each["id"] for each in rows]
    begin = ids.index(asked.after_id) + 1 if asked.after_id in ids else 0
    end = ids.index(asked.before_id) if asked.before_id in ids else len(ids)
    if asked.before_id is not None and asked.after_id is None:
        begin = max(0, end - asked.limit)
        has_more = begin > 0
    else:
        has_more = begin + asked.limit < end
    page = [model(each) for each in rows[begin : min(end, begin + asked.limit)]]
    return {
        "data": page,
        "has_more": has_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }

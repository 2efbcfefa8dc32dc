"""The models and aliases that `/v1` can be asked for, in OpenAI's shape."""

from typing import Any

from sqlalchemy import select

from cache.namespaces import MODELS
from database.session import read_session
from database.tables.models import CatalogueModel, ModelAlias
from services.errors import NotFound
from services.model_routes import find_routing, usable_models

__all__ = ["get_callable_model", "list_callable_models"]


@MODELS.read("list", shape=2)
def list_callable_models() -> dict[str, Any]:
    """All usable models, and the aliases of any of them."""
    with read_session() as session:
        found = session.execute(usable_models().order_by(CatalogueModel.id)).all()
        models = [row.CatalogueModel for row in found]
        named = session.scalars(
            select(ModelAlias).where(ModelAlias.status != "disabled").order_by(ModelAlias.id)
        ).all()
        usable = {each.id for each in models}
        aliases = [each for each in named if any(to["model"] in usable for to in each.targets)]
        return {"object": "list", "data": [*map(_model, aliases), *map(_model, models)]}


def get_callable_model(model_id: str) -> dict[str, Any]:
    """One usable model, by what a call may name it.

    Raises:
        NotFound: there is none of this name, or a bare name is of several.
    """
    listed = {each["id"]: each for each in list_callable_models().value["data"]}
    if model_id in listed:
        return dict(listed[model_id])
    found = find_routing(model_id).value
    if found is not None and found.alias_id is None:
        whole = found.targets[0].route.model_id
        if whole in listed:
            return dict(listed[whole])
    raise NotFound(f"There is no model “{model_id[:80]}”.", code="model_not_found")


def _model(row: CatalogueModel | ModelAlias) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "model",
        "created": int(row.created_at.timestamp()),
        "owned_by": row.provider_id or "larder",
    }

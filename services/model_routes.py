"""How models are reached: one by its id, the only one of a bare name, or those of an alias in turn.

A call reads this through the cache, in one look-up, whatever its model's name stands for.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from cache.namespaces import MODELS
from database.session import read_session
from database.tables.models import CatalogueModel, CatalogueProvider, ModelAlias
from schemas.anthropic.requests import with_known_limit
from schemas.openai import Untranslatable
from services.errors import Invalid, NotFound, Unavailable

__all__ = [
    "FoundRoutes",
    "ModelRoute",
    "Routing",
    "Target",
    "body_for",
    "find_routing",
    "in_turn",
    "routes_for",
    "usable_models",
]

ORDERED, WEIGHTED = "ordered", "weighted"
NO_WEIGHTS: Mapping[str, int] = MappingProxyType({})
NEEDED_FOR_PARTS = {
    "image_url": "vision",
    "image": "vision",
    "input_audio": "audio",
    "file": "files",
}
"""What a model must be able to do for a part of a message, in the catalogue's words."""

_dice = random.SystemRandom()


class ModelRoute(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is reached. The provider's secret stays encrypted here."""

    model_id: str
    provider_id: str
    name: str
    status: str
    capabilities: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    wire_format: str
    base_url: str
    api_version: str | None = None
    encrypted_secret: str | None
    response_cache_ttl_s: int | None = None


class Target(msgspec.Struct, frozen=True):
    """One way to go, and its share of the calls where there are several."""

    route: ModelRoute
    weight: int = 1


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """What a model's name stands for. `alias_id` is `None` where it is a model's own."""

    alias_id: str | None = None
    strategy: str = ORDERED
    targets: tuple[Target, ...]


class FoundRoutes(NamedTuple):
    """The ways of one call, at least one and in their order; `alias_id` if an alias was asked.

    `weights` are those by which the order was drawn, by the model's id; empty where it is fixed.
    """

    alias_id: str | None
    routes: Sequence[ModelRoute]
    weights: Mapping[str, int] = NO_WEIGHTS


@MODELS.read("route", shape=2)
def find_routing(model_id: str) -> Routing | None:
    """What `model_id` stands for: a model, an alias, or the one model of this bare name.

    `None` if there is no such model, or the bare name is of several.
    """
    with read_session() as session:
        found = session.execute(usable_models().where(CatalogueModel.id == model_id)).all()
        if not found and (alias := session.get(ModelAlias, model_id)) is not None:
            return _routing_of(session, alias)
        if not found:
            named = usable_models().where(CatalogueModel.name == model_id)
            found = session.execute(named.limit(2)).all()
    return Routing(targets=(Target(_route(found[0])),)) if len(found) == 1 else None


def routes_for(
    model_id: str, body: Mapping[str, Any], untranslatable: Untranslatable | None = None
) -> FoundRoutes:
    """The ways for a call that is about to be made, the first to be tried first.

    Args:
        model_id: what the caller asked for.
        body: the request, which decides what a model must be able to do.
        untranslatable: what of it only models of one wire format can be told, if anything.

    Raises:
        NotFound: there is no such model, or it or its provider is switched off.
        Unavailable: all that the alias stands for is switched off.
        Invalid: no model of the alias can do what the request needs, or the model cannot be told.
    """
    found = find_routing(model_id).value
    if found is None:
        detail = f"There is no model “{model_id[:80]}” that is switched on."
        raise NotFound(detail, code="model_not_found")
    targets = [each for each in found.targets if _takes(each.route, untranslatable)]
    if untranslatable is not None and found.targets and not targets:
        raise Invalid.field(untranslatable.field, untranslatable.message)
    if found.alias_id is None:
        return FoundRoutes(None, [each.route for each in targets])
    if not targets:
        raise Unavailable(
            f"No model that “{found.alias_id}” stands for can be used now.", code="alias_is_empty"
        )
    needed = _needed(body)
    able = [each for each in targets if _can(each.route, needed)]
    if not able:
        wants = ", ".join(sorted(needed))
        raise Invalid.field("model", f"No model of “{found.alias_id}” has what is needed: {wants}.")
    is_drawn = found.strategy == WEIGHTED and len(able) > 1
    weights = {each.route.model_id: each.weight for each in able} if is_drawn else NO_WEIGHTS
    return FoundRoutes(found.alias_id, in_turn(able, found.strategy, _dice.random), weights)


def body_for(
    route: ModelRoute, body: Mapping[str, Any], plain: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """The request as one model is asked it.

    Args:
        route: the model's.
        body: the request, with Anthropic's own words where it has any: who speaks its format is
            told them.
        plain: the request of Anthropic's clients without them, for all others.
    """
    if plain is None or route.wire_format == "anthropic":
        return body
    return with_known_limit(route.name, plain)


def in_turn(
    targets: Iterable[Target], strategy: str, draw: Callable[[], float]
) -> list[ModelRoute]:
    """The targets' routes in the order in which they are to be tried.

    Args:
        targets: at least one.
        strategy: `ordered`, as they stand; or `weighted`, drawn by weight, and those left over in
            case of a failure drawn likewise. A weight of zero comes only after all others.
        draw: gives a number from 0 to 1, 1 excluded.
    """
    left = list(targets)
    if strategy == ORDERED:
        return [each.route for each in left]
    turn: list[ModelRoute] = []
    while left:
        point = draw() * sum(each.weight for each in left)
        for each in left:
            point -= each.weight
            if point < 0:
                break
        else:  # only weights of zero are left
            each = left[0]
        left.remove(each)
        turn.append(each.route)
    return turn


def usable_models() -> Select[CatalogueModel, CatalogueProvider]:
    """Selects the models that can be called now, each with its provider."""
    joined = select(CatalogueModel, CatalogueProvider).join(
        CatalogueProvider, CatalogueProvider.id == CatalogueModel.provider_id
    )
    return joined.where(CatalogueModel.status != "disabled", CatalogueProvider.status == "active")


def _routing_of(session: Session, alias: ModelAlias) -> Routing | None:
    """An alias with those of its targets that can be used now."""
    if alias.status == "disabled":
        return None
    wanted = [each["model"] for each in alias.targets]
    rows = session.execute(usable_models().where(CatalogueModel.id.in_(wanted))).all()
    by_id = {row.CatalogueModel.id: _route(row) for row in rows}
    return Routing(
        alias_id=alias.id,
        strategy=alias.strategy,
        targets=tuple(
            Target(by_id[each["model"]], each["weight"])
            for each in alias.targets
            if each["model"] in by_id
        ),
    )


def _route(row: Row[CatalogueModel, CatalogueProvider]) -> ModelRoute:
    model, provider = row.CatalogueModel, row.CatalogueProvider
    return ModelRoute(
        model_id=model.id,
        provider_id=provider.id,
        name=model.name,
        status=model.status,
        capabilities=tuple(model.capabilities),
        max_output_tokens=model.max_output_tokens,
        wire_format=provider.wire_format,
        base_url=provider.base_url,
        api_version=provider.api_version,
        encrypted_secret=provider.encrypted_secret,
        response_cache_ttl_s=model.response_cache_ttl_s,
    )


def _needed(body: Mapping[str, Any]) -> set[str]:
    """What a model must be able to do for a request."""
    needed = {"tools"} if body.get("tools") else set()
    messages = body.get("messages")
    for message in messages if isinstance(messages, list | tuple) else ():
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list | tuple) else ():
            kind = part.get("type") if isinstance(part, Mapping) else None
            if isinstance(kind, str) and kind in NEEDED_FOR_PARTS:
                needed.add(NEEDED_FOR_PARTS[kind])
    return needed


def _takes(route: ModelRoute, untranslatable: Untranslatable | None) -> bool:
    """Whether a model can be told the request."""
    return untranslatable is None or route.wire_format == untranslatable.wire_format


def _can(route: ModelRoute, needed: set[str]) -> bool:
    """Whether a model has what is needed, as far as the catalogue says anything of it."""
    return not route.capabilities or needed <= set(route.capabilities)

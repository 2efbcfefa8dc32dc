"""What can be warmed: named lists of reads, each of which a request would make as well.

So what a strategy leaves behind is exactly what requests would have left, under the same keys.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from sqlalchemy import func, select

from cache.scopes import KeyHash, UserId
from database.session import read_session
from database.tables.conversations import Conversation
from database.tables.costs import UsageRollup
from database.tables.models import CatalogueModel, ModelAlias
from database.tables.users import ApiKey
from schemas.conversations import ConversationQuery
from schemas.models import ModelQuery
from schemas.page import DEFAULT_LIMIT
from services import model_routes, models, providers
from services.authentication import find_principal
from services.callable_models import list_callable_models
from services.conversations import folders, threads
from services.costs import pricing
from services.costs.budgets import load_limits
from services.errors import Invalid
from services.runtime import runtime

__all__ = ["STRATEGIES", "Read", "Strategy", "chosen"]

RECENT = timedelta(days=7)
MAX_USERS = 1000
MAX_MODELS = 5000
MAX_CRITICAL = 300
Read = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Strategy:
    """A name, what it warms in words, and the reads that do it."""

    name: str
    about: str
    reads: Callable[[], Sequence[Read]]


def _catalogue() -> Sequence[Read]:
    first = ModelQuery(limit=DEFAULT_LIMIT)
    reads: list[Read] = [
        lambda: models.list_models(first, sees_disabled=False),
        lambda: models.list_models(first, sees_disabled=True),
        lambda: providers.list_providers(DEFAULT_LIMIT, None),
        list_callable_models,
    ]
    routed = [*_model_ids(), *_alias_ids()]
    return [*reads, *(partial(model_routes.find_routing, each) for each in routed)]


def _prices() -> Sequence[Read]:
    return [partial(pricing.load_price_list, each) for each in _model_ids()]


def _recent_users() -> Sequence[Read]:
    since = runtime().clock.now() - RECENT
    with read_session() as session:
        users = session.scalars(
            select(Conversation.user_id)
            .where(Conversation.active_at >= since)
            .group_by(Conversation.user_id)
            .order_by(func.max(Conversation.active_at).desc())
            .limit(MAX_USERS)
        ).all()
    first = ConversationQuery(limit=DEFAULT_LIMIT)
    reads: list[Read] = []
    for user in users:
        owner = UserId(user)
        reads.append(partial(folders.list_folders, owner))
        reads.append(partial(threads.list_conversations, owner, first))
    return reads


def _model_ids() -> Sequence[str]:
    with read_session() as session:
        return session.scalars(
            select(CatalogueModel.id)
            .where(CatalogueModel.status != "disabled")
            .order_by(CatalogueModel.id)
            .limit(MAX_MODELS)
        ).all()


def _critical() -> Sequence[Read]:
    """The reads that stand before every call of those who called lately."""
    since = (runtime().clock.now() - RECENT).date()
    lately = UsageRollup.day >= since
    with read_session() as session:
        keys = session.execute(
            select(ApiKey.secret_hash, ApiKey.user_id)
            .where(ApiKey.id.in_(select(UsageRollup.key_id).where(lately)))
            .where(ApiKey.revoked_at.is_(None))
            .limit(MAX_CRITICAL)
        ).all()
        called = session.scalars(
            select(UsageRollup.model_id)
            .where(lately)
            .group_by(UsageRollup.model_id)
            .order_by(func.sum(UsageRollup.calls).desc())
            .limit(MAX_CRITICAL)
        ).all()
    reads: list[Read] = [
        partial(models.list_models, ModelQuery(limit=DEFAULT_LIMIT), sees_disabled=False),
        list_callable_models,
    ]
    for secret_hash, user_id in keys:
        reads.append(partial(find_principal, KeyHash(secret_hash)))
        reads.append(partial(load_limits, UserId(user_id)))
    for model_id in called:
        reads.append(partial(model_routes.find_routing, model_id))
        reads.append(partial(pricing.load_price_list, model_id))
    aliases = _alias_ids()[:MAX_CRITICAL]
    return [*reads, *(partial(model_routes.find_routing, each) for each in aliases)]


def _alias_ids() -> Sequence[str]:
    with read_session() as session:
        in_use = select(ModelAlias.id).where(ModelAlias.status != "disabled")
        return session.scalars(in_use.order_by(ModelAlias.id).limit(MAX_MODELS)).all()


STRATEGIES: Mapping[str, Strategy] = {
    each.name: each
    for each in (
        Strategy(
            "critical",
            "keys, limits, routes and prices of what was called in the last seven days",
            _critical,
        ),
        Strategy(
            "catalogue", "the lists of models and providers, and how each is reached", _catalogue
        ),
        Strategy("prices", "the price of every model", _prices),
        Strategy(
            "recent-users",
            "folders and first conversations of everyone active in the last seven days",
            _recent_users,
        ),
    )
}


def chosen(names: Sequence[str] | None) -> list[Strategy]:
    """The strategies of these names; all for none, or for `all`.

    Raises:
        Invalid: there is no such strategy.
    """
    if not names or "all" in names:
        return list(STRATEGIES.values())
    unknown = [name for name in names if name not in STRATEGIES]
    if unknown:
        known = ", ".join(STRATEGIES)
        raise Invalid.field("strategies", f"There is no strategy {unknown[0]}: there are {known}.")
    return [STRATEGIES[name] for name in dict.fromkeys(names)]

"""The eleven namespaces, each declared once: whose entries, how long, how fresh, who warms them.

All that is derived from our own database is `strict`. None of the eleven holds a third party's data
(a provider's list of models is written into the catalogue first), so none is `ttl`.

Leeway, and why. `STEADY` resources follow from the database alone: an entry whose stamp is current
holds every acknowledged write however old it is, so readers need not wait while it is made anew.
Resources whose answer also follows from the time (budgets, spending, usage of running periods,
prices of a day, keys that run out) have none. `CATALOGUE` is public: when the database is away,
what it said last harms nobody. A key's principal goes with it, else nobody could ask. All that
belongs to somebody stays a 503 then, so that a key which was just revoked reaches nothing else.
"""

from collections.abc import Mapping
from typing import Any

from cache.declarations import Namespace, PublicNamespace, ScopedNamespace, namespace_scope
from cache.freshness import IMMUTABLE, Leeway
from cache.scopes import Everyone, KeyHash, SharedName, UserId, WorkspaceId

__all__ = [
    "ANALYTICS",
    "AUDIT_LOGS",
    "CONVERSATIONS",
    "FILES",
    "MODELS",
    "NAMESPACES",
    "PERMISSIONS",
    "PROVIDERS",
    "RESPONSES",
    "STREAMS",
    "USERS",
    "WORKSPACES",
    "Namespace",
    "PublicNamespace",
    "ScopedNamespace",
    "namespace_scope",
]

STEADY = Leeway(revalidate_s=60)
CATALOGUE = Leeway(revalidate_s=60, if_error_s=86_400)
KNOWN_KEYS = Leeway(if_error_s=86_400)

MODELS = PublicNamespace(
    "models",
    {"list": 300, "detail": 600, "route": 600},
    owners="everyone alike",
    leeway={"list": CATALOGUE, "detail": CATALOGUE, "route": STEADY},
    warmed_by=("catalogue",),
    closed={"route": "These entries say where calls go: change the model, or its provider."},
)
PROVIDERS = PublicNamespace(
    "providers",
    {"list": 300, "detail": 600, "pricing": 86400, "price": 86400},
    owners="everyone alike",
    leeway={"list": CATALOGUE, "detail": CATALOGUE},
    warmed_by=("catalogue", "prices"),
    closed={"price": "These entries say what calls cost: override the model's price."},
)
CONVERSATIONS: ScopedNamespace[UserId] = ScopedNamespace(
    "conversations",
    {
        "folders": 300,
        "list": 300,
        "detail": 300,
        "messages": 300,
        "search": 120,
    },
    owners="a user",
    leeway={"list": STEADY, "messages": STEADY, "search": STEADY},
    warmed_by=("recent-users",),
)
# Not among the conversations: each call of `/v1` begins and ends one, and would make its user's
# conversations stale.
STREAMS: ScopedNamespace[UserId] = ScopedNamespace(
    "streams", {"list": 60, "detail": 60}, owners="a user"
)
USERS: ScopedNamespace[UserId | Everyone] = ScopedNamespace(
    "users", {"me": 300, "list": 300, "detail": 300}, owners="a user, or everyone for admins"
)
WORKSPACES: ScopedNamespace[WorkspaceId | UserId | Everyone] = ScopedNamespace(
    "workspaces",
    {"list": 300, "detail": 300, "members": 300},
    owners="a workspace, a user's own list, or everyone for admins",
)
AUDIT_LOGS: ScopedNamespace[Everyone] = ScopedNamespace(
    "audit_logs", {"list": 60}, owners="everyone, for admins", stripes=4
)
PERMISSIONS: ScopedNamespace[KeyHash | UserId | WorkspaceId] = ScopedNamespace(
    "permissions",
    {"principal": 300, "keys": 300, "budgets": 300},
    owners="a key, a user's list, or a user's or workspace's limits",
    leeway={"principal": KNOWN_KEYS},
    closed=dict.fromkeys(
        ("principal", "keys", "budgets"),
        "These entries say who may do what: change the key, the user or the budget.",
    ),
)
FILES: ScopedNamespace[UserId] = ScopedNamespace(
    "files", {"list": 300, "detail": 600}, owners="a user"
)
ANALYTICS: ScopedNamespace[UserId | WorkspaceId | Everyone] = ScopedNamespace(
    "analytics",
    {"usage": 300, "daily": 3600, "records": 300, "budgets": 300, "spend": 60},
    owners="a user, a workspace, or everyone for admins",
    stripes=16,
    closed={"spend": "These entries say what budgets have left: change the budget."},
)

RESPONSES: ScopedNamespace[UserId | WorkspaceId | SharedName] = ScopedNamespace(
    "responses",
    {"chat": 3600, "embeddings": 86400},
    owners="a key's tenant (its user or workspace), or those who share a declared name",
    freshness=IMMUTABLE,
    closed=dict.fromkeys(
        ("chat", "embeddings"),
        "These entries are what models said: drop one, and the model is asked.",
    ),
)

NAMESPACES: Mapping[str, PublicNamespace | ScopedNamespace[Any]] = {
    each.name: each
    for each in (
        MODELS,
        PROVIDERS,
        CONVERSATIONS,
        STREAMS,
        USERS,
        WORKSPACES,
        AUDIT_LOGS,
        PERMISSIONS,
        FILES,
        ANALYTICS,
        RESPONSES,
    )
}

"""Cache administration: health, namespaces, entries; clearing is a bump, at the cost of one row."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from cache.engine import EVERYTHING
from cache.entries import Entry
from cache.extension import cache
from cache.inspection import EntryCount, Inspector, KeyPosition
from cache.namespaces import (
    NAMESPACES,
    PublicNamespace,
    ScopedNamespace,
    namespace_scope,
)
from cache.results import encode_body
from cache.scopes import Scope
from schemas.cache_admin import EntryWrite, KeyQuery
from services import audit_logs, cache_statistics
from services.errors import Forbidden, Invalid, NotFound, Unavailable
from services.paging import decode_cursor, encode_cursor
from services.principal import Principal
from services.runtime import runtime
from services.unit_of_work import unit_of_work

__all__ = [
    "clear_everything",
    "clear_namespace",
    "clear_scope",
    "delete_entry",
    "get_entry",
    "get_namespace",
    "list_keys",
    "list_namespaces",
    "put_entry",
    "read_health",
]

LISTING = "cache_keys"
ALL = "all"
MANUAL = "manual"
MAX_KEY_CHARS = 200
MAX_OWNER_CHARS = 100

AnyNamespace = PublicNamespace | ScopedNamespace[Any]


def read_health() -> dict[str, Any]:
    """How this worker's cache stands."""
    health = asdict(cache.health())
    ended = [each for each in health["outages"] if each["ended_at"] is not None]
    return {"worker": runtime().worker, "recoveries": len(ended), **health}


def list_namespaces() -> dict[str, Any]:
    """All namespaces."""
    seen, counts = cache_statistics.seen(), Inspector(cache.engine).counts()
    items = [_described(each, seen, counts.get(each.name)) for each in NAMESPACES.values()]
    return {"items": items, "next_cursor": None}


def get_namespace(name: str) -> dict[str, Any]:
    """One namespace.

    Raises:
        NotFound: there is none of this name.
    """
    space, count = _namespace(name), Inspector(cache.engine).count(name)
    return _described(space, cache_statistics.seen(), count)


def clear_namespace(principal: Principal | None, name: str) -> None:
    """Make every entry of a namespace a miss, on all workers, however many there are.

    Raises:
        NotFound: there is none of this name.
    """
    _namespace(name)
    with unit_of_work() as work:
        work.invalidates(namespace_scope(name))
        audit_logs.record(work, principal, "cache.namespace_cleared", "cache", name, {})
        work.after_commit(lambda: Inspector(cache.engine).reclaim(name))


def clear_everything() -> None:
    """Make every entry a miss, on all workers.

    For when the database was restored: its generations went back with it, and that they stand for
    what they stood for before is not sure.
    """
    with unit_of_work() as work:
        work.invalidates(EVERYTHING)
        audit_logs.record(work, None, "cache.cleared", "cache", EVERYTHING.name, {})


def clear_scope(principal: Principal, name: str, owner: str) -> None:
    """Make every entry of one owner a miss (`all` for a public namespace).

    Raises:
        NotFound: there is no such namespace.
        Invalid: a public namespace has no owners.
    """
    scope = _scope(_namespace(name), None if owner == ALL else owner)
    with unit_of_work() as work:
        work.invalidates(scope)
        audit_logs.record(work, principal, "cache.scope_cleared", "cache", scope.name, {})


def list_keys(name: str, query: KeyQuery) -> dict[str, Any]:
    """A page of the keys of a namespace; it may be short, or empty, while there is a next one.

    Raises:
        NotFound: there is no such namespace.
        Invalid: the cursor is not one of this list.
    """
    space = _namespace(name)
    owner = "" if isinstance(space, PublicNamespace) else query.scope
    after = KeyPosition()
    if query.cursor is not None:
        step, key = decode_cursor(LISTING, query.cursor, (int, str))
        after = KeyPosition(max(0, step), key)
    page = Inspector(cache.engine).keys(name, owner, query.prefix, after, query.limit)
    items = [dict(zip(("scope", "key"), key.split(":", 2)[1:], strict=True)) for key in page.keys]
    return {
        "items": items,
        "next_cursor": None if page.next is None else encode_cursor(LISTING, page.next),
    }


def get_entry(name: str, key: str, owner: str | None) -> dict[str, Any]:
    """One entry with its value; one that is no longer servable says so.

    Raises:
        NotFound: there is none.
        Invalid: the scope is missing, or there must be none.
    """
    space = _namespace(name)
    scope = _scope(space, owner)
    found = Inspector(cache.engine).entry(_logical(name, owner, key))
    if found is None:
        raise NotFound.of("entry", key)
    entry, tier = found
    engine = cache.engine
    stamp = engine.generations.stamp(engine.scopes(name, scope))
    now_s = runtime().clock.now().timestamp()
    return {
        "namespace": name,
        "scope": owner or "",
        "key": key,
        "value": msgspec.json.decode(entry.body),
        "is_fresh": entry.stamp == stamp and entry.expires_s > now_s,
        "tier": tier,
        "ttl": max(0, int(entry.expires_s - now_s)),
        "size_bytes": len(entry.body),
        "created_at": datetime.fromtimestamp(entry.created_s, UTC),
    }


def put_entry(
    principal: Principal, name: str, key: str, owner: str | None, write: EntryWrite
) -> dict[str, Any]:
    """Set an entry by hand.

    The other entries of its scope become misses, so that no worker goes on serving what stood there
    before.

    Raises:
        Forbidden: Larder itself goes by such entries: who may do what, where calls go, what they
            cost.
        NotFound, Invalid: as `get_entry`; or the value is over the size limit.
        Unavailable: Redis is there and keeps nothing; what stood there before is a miss now.
    """
    space = _namespace(name)
    if reason := space.closed.get(key.partition(":")[0]):
        raise Forbidden(reason)
    scope = _scope(space, owner)
    if not key or len(key) > MAX_KEY_CHARS:
        raise Invalid.field("key", f"Must have from 1 to {MAX_KEY_CHARS} characters.")
    logical = _logical(name, owner, key)
    engine = cache.engine
    body = encode_body(write.value)
    if len(body) > engine.settings.entry_bytes:
        raise Invalid.field("value", f"Must have {engine.settings.entry_bytes} bytes at most.")
    inspector = Inspector(engine)
    before = inspector.entry(logical)
    with unit_of_work() as work:
        work.invalidates(scope)
        audit_logs.record(work, principal, "cache.entry_set", "cache", logical[:300], {})
    stamp = engine.generations.stamp(engine.scopes(name, scope))
    shape = before[0].shape if before is not None else MANUAL
    entry: Entry = engine.entry(logical, shape, stamp, body, write.ttl_s)
    entry.is_manual = True
    engine.store(entry)
    kept = inspector.entry(logical)
    if kept is None or (kept[0].stamp != stamp and kept[0].created_s <= entry.created_s):
        inspector.drop(logical)  # this worker alone would serve it
        raise Unavailable(
            "Redis does not keep anything just now (see «outages» in /api/cache/health), so the "
            "value is not set: give Redis room, then set it again.",
            code="cache_refuses",
        )
    return get_entry(name, key, owner)


def delete_entry(principal: Principal, name: str, key: str, owner: str | None) -> None:
    """Drop an entry, on all workers; the other entries of its scope become misses too.

    Raises:
        NotFound, Invalid: as `get_entry`.
    """
    scope = _scope(_namespace(name), owner)
    logical = _logical(name, owner, key)
    inspector = Inspector(cache.engine)
    if inspector.entry(logical) is None:
        raise NotFound.of("entry", key)
    with unit_of_work() as work:
        work.invalidates(scope)
        audit_logs.record(work, principal, "cache.entry_deleted", "cache", logical[:300], {})
        work.after_commit(lambda: inspector.drop(logical))


def _namespace(name: str) -> AnyNamespace:
    if name not in NAMESPACES:
        raise NotFound.of("namespace", name)
    return NAMESPACES[name]


def _scope(space: AnyNamespace, owner: str | None) -> Scope:
    if isinstance(space, PublicNamespace):
        if owner:
            raise Invalid.field("scope", f"{space.name} is public: it has no scopes.")
        return space.all()
    if not owner or len(owner) > MAX_OWNER_CHARS or ":" in owner:
        raise Invalid.field("scope", f"Must name {space.owners}.")
    return space.scope_of(owner)


def _logical(name: str, owner: str | None, key: str) -> str:
    return f"{name}:{owner or ''}:{key}"


def _described(
    space: AnyNamespace, seen: cache_statistics.Seen, count: EntryCount | None
) -> dict[str, Any]:
    engine = cache.engine
    return {
        "namespace": space.name,
        "owners": space.owners,
        "is_public": space.is_public,
        "freshness": space.freshness.value,
        "ttls": {each: engine.ttl_of(space.name, each, ttl) for each, ttl in space.ttls.items()},
        "warmed_by": list(space.warmed_by),
        **cache_statistics.held(count),
        **seen.of(space.name),
        "advice": cache_statistics.advice_on(seen, space.name),
    }

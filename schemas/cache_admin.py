"""The shapes of cache administration."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields, post_load

from schemas.fields import Items, StrictSchema, Text, UtcTime, WholeNumber
from schemas.page import DEFAULT_LIMIT, PageQuerySchema, page_schema

__all__ = [
    "EntrySchema",
    "EntryWrite",
    "EntryWriteSchema",
    "HealthSchema",
    "KeyQuery",
    "KeyQuerySchema",
    "KeysSchema",
    "NamespaceSchema",
    "NamespacesSchema",
    "ScopeQuerySchema",
    "StatsSchema",
    "WarmJobSchema",
    "WarmRequestSchema",
    "WarmStrategiesSchema",
]

MAX_TTL_S = 30 * 86400


@dataclass(frozen=True, slots=True)
class KeyQuery:
    """Which keys are asked for, and which page of them."""

    prefix: str = ""
    limit: int = DEFAULT_LIMIT
    cursor: str | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class EntryWrite:
    """A value set by hand. `ttl_s` is seconds."""

    value: Any
    ttl_s: int


class TierLatencySchema(Schema):
    """Percentiles of one tier, milliseconds; the upper bound of the bucket they fall into."""

    tier = fields.String(required=True)
    count = fields.Integer(required=True)
    p50_ms = fields.Float(required=True, allow_none=True)
    p95_ms = fields.Float(required=True, allow_none=True)
    p99_ms = fields.Float(required=True, allow_none=True)


class WindowSchema(Schema):
    """The reads since an instant; `since` is from one to two parts of the window ago."""

    since = UtcTime(required=True)
    reads = fields.Integer(required=True)
    hits = fields.Integer(required=True)
    misses = fields.Integer(required=True)
    stale_served = fields.Integer(required=True)
    hit_ratio = fields.Float(required=True, allow_none=True)


class WindowsSchema(Schema):
    """The reads of the last minute, hour and day, over all workers and machines."""

    minute = fields.Nested(WindowSchema, required=True, data_key="1m", attribute="1m")
    hour = fields.Nested(WindowSchema, required=True, data_key="1h", attribute="1h")
    day = fields.Nested(WindowSchema, required=True, data_key="24h", attribute="24h")


class CountsSchema(Schema):
    """Counts since the start or the last reset; reads are hits, misses, bypasses and stale ones."""

    reads = fields.Integer(required=True)
    hits = fields.Integer(required=True)
    misses = fields.Integer(required=True)
    bypasses = fields.Integer(required=True)
    stale_served = fields.Integer(required=True)
    hit_ratio = fields.Float(required=True, allow_none=True)
    misses_by_reason = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    fills = fields.Integer(required=True)
    reloads_unchanged = fields.Integer(required=True)
    reloads_changed = fields.Integer(required=True)
    ended_unused = fields.Integer(required=True)
    ended_used = fields.Integer(required=True)
    windows = fields.Nested(WindowsSchema, required=True)


class ResourceFiguresSchema(CountsSchema):
    """The counts of one resource of a namespace."""

    resource = fields.String(required=True)


class CacheFiguresSchema(CountsSchema):
    """The counts of a namespace, or of all."""

    hits_by_tier = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    coalesced_waits = fields.Integer(required=True)
    invalidations = fields.Integer(required=True)
    not_stored_for_size = fields.Integer(required=True)
    errors = fields.Integer(required=True)
    audits = fields.Integer(required=True)
    inconsistencies = fields.Integer(required=True)
    latency = fields.List(fields.Nested(TierLatencySchema), required=True)


class HeldSchema(Schema):
    """What a namespace holds now: `bytes` in this worker's memory, `redis_bytes` about in Redis."""

    entries = fields.Integer(required=True)
    entries_complete = fields.Boolean(required=True)
    bytes = fields.Integer(required=True)
    redis_bytes = fields.Integer(required=True)


class TotalFiguresSchema(CacheFiguresSchema, HeldSchema):
    """The counts of all, with what is held now."""


class NamespaceFiguresSchema(CacheFiguresSchema, HeldSchema):
    """The counts of one namespace, with what it holds now."""

    namespace = fields.String(required=True)
    resources = fields.List(fields.Nested(ResourceFiguresSchema), required=True)


class StatsSchema(Schema):
    """All counts, over all workers."""

    since = UtcTime(required=True, allow_none=True)
    totals = fields.Nested(TotalFiguresSchema, required=True)
    namespaces = fields.List(fields.Nested(NamespaceFiguresSchema), required=True)
    errors = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    advice = fields.List(fields.String(), required=True)


class OutageSchema(Schema):
    """One time that Redis was away, or kept nothing: why in one word, and what was said."""

    began_at = UtcTime(required=True)
    ended_at = UtcTime(required=True, allow_none=True)
    reason = fields.String(required=True)
    detail = fields.String(required=True)


class HealthSchema(Schema):
    """The state of the worker that answers."""

    worker = fields.String(required=True)
    backend = fields.String(required=True)
    configured = fields.String(required=True)
    redis_reachable = fields.Boolean(required=True)
    redis_latency_ms = fields.Float(required=True, allow_none=True)
    circuit = fields.String(required=True)
    fallbacks = fields.Integer(required=True)
    recoveries = fields.Integer(required=True)
    outages = fields.List(fields.Nested(OutageSchema), required=True)
    maxmemory_bytes = fields.Integer(required=True, allow_none=True)
    eviction_policy = fields.String(required=True, allow_none=True)
    used_memory_bytes = fields.Integer(required=True, allow_none=True)
    memory_entries = fields.Integer(required=True)
    memory_bytes = fields.Integer(required=True)
    memory_evictions = fields.Integer(required=True)
    memory_budget_bytes = fields.Integer(required=True)
    redis_version = fields.String(required=True, allow_none=True)
    redis_role = fields.String(required=True, allow_none=True)
    redis_evictions = fields.Integer(required=True, allow_none=True)
    redis_fragmentation = fields.Float(required=True, allow_none=True)
    redis_clients = fields.Integer(required=True, allow_none=True)
    warnings = fields.List(fields.String(), required=True)


class NamespaceSchema(NamespaceFiguresSchema):
    """One namespace: what it promises, what it did and what it holds."""

    owners = fields.String(required=True)
    is_public = fields.Boolean(required=True)
    freshness = fields.String(required=True)
    ttls = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    warmed_by = fields.List(fields.String(), required=True)
    advice = fields.List(fields.String(), required=True)


class NamespacesSchema(Schema):
    """All namespaces."""

    items = fields.List(fields.Nested(NamespaceSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class ScopeQuerySchema(StrictSchema):
    """Whose key it is, for a namespace with owners."""

    scope = Text(max_chars=200, load_default=None)


class KeyQuerySchema(ScopeQuerySchema, PageQuerySchema):
    """The filters of a list of keys."""

    prefix = Text(max_chars=200, load_default="")

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> KeyQuery:
        """The loaded fields as one value."""
        return KeyQuery(**loaded)


class EntryKeySchema(Schema):
    """The name of one entry: whose it is, empty in a public namespace, and its key."""

    scope = fields.String(required=True)
    key = fields.String(required=True)


KeysSchema = page_schema(EntryKeySchema)


class EntrySchema(Schema):
    """One entry."""

    namespace = fields.String(required=True)
    scope = fields.String(required=True)
    key = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True)
    is_fresh = fields.Boolean(required=True)
    tier = fields.String(required=True)
    ttl = fields.Integer(required=True)
    size_bytes = fields.Integer(required=True)
    created_at = UtcTime(required=True)


class EntryWriteSchema(StrictSchema):
    """A value to be set by hand."""

    value = fields.Raw(required=True, allow_none=True)
    ttl = WholeNumber(low=1, high=MAX_TTL_S, required=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: object) -> EntryWrite:
        """The loaded fields as one value."""
        return EntryWrite(loaded["value"], loaded["ttl"])


class WarmRequestSchema(StrictSchema):
    """Which strategies are to run; all by default."""

    strategies = Items(
        Text(min_chars=1, max_chars=60), min_items=1, max_items=20, load_default=None
    )


class WarmRunSchema(Schema):
    """One run of one strategy."""

    strategy = fields.String(required=True)
    status = fields.String(required=True)
    done = fields.Integer(required=True)
    total = fields.Integer(required=True)
    error = fields.String(required=True, allow_none=True)
    started_at = UtcTime(required=True)
    ended_at = UtcTime(required=True, allow_none=True)


class WarmJobSchema(Schema):
    """A job: its runs so far."""

    job_id = fields.String(required=True)
    status = fields.String(required=True)
    runs = fields.List(fields.Nested(WarmRunSchema), required=True)


class WarmStrategySchema(Schema):
    """One strategy and its last run."""

    strategy = fields.String(required=True)
    about = fields.String(required=True)
    last_run = fields.Nested(WarmRunSchema, required=True, allow_none=True)


class WarmStrategiesSchema(Schema):
    """All strategies."""

    items = fields.List(fields.Nested(WarmStrategySchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True)

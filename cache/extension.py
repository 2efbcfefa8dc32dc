"""The parts of the cache put together for one application: `cache.init_app(app, …)`.

`LarderCache` is a Flask-Caching `Cache`: `@cache.cached` and `@cache.memoize` work as they do
there, under Larder's rules. One object serves any number of applications; what belongs to one is
kept with it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import structlog
from flask import Flask
from flask_caching import VERSION_TIMEOUT, Cache
from flask_caching.utils import function_namespace
from werkzeug.exceptions import HTTPException

from cache import recording
from cache.backends.memory import MemoryCache
from cache.backends.redis import RedisTier
from cache.backends.views import NAMESPACE as VIEWS_NAMESPACE
from cache.backends.views import ViewCache
from cache.claims import Claims
from cache.connection import Connection, check_redis_url
from cache.engine import CacheEngine
from cache.entries import EntryCodec
from cache.front import Front
from cache.gates import Gates
from cache.generations import Generations, GenerationStore
from cache.health import Health, health_of, latency_ms
from cache.leases import LoadLocks
from cache.namespaces import NAMESPACES, Namespace
from cache.present import ENGINE, present_app, present_engine
from cache.settings import CacheSettings, CacheUnreachable
from cache.statistics import Statistics
from cache.values import ValueRefused, pack
from config import SettingsError
from telemetry.clock import SYSTEM_CLOCK, Clock

__all__ = ["VIEWS_NAMESPACE", "LarderCache", "cache"]

log = structlog.get_logger(__name__)
GATES = "larder_gates"
CLAIMS = "larder_claims"


class LarderCache(Cache):
    """Flask-Caching's `Cache` with Larder's engine behind it."""

    def init_app(  # type: ignore[override]  # noqa: PLR0913 (more is needed than a config)
        self,
        app: Flask,
        config: dict[str, Any] | None = None,
        *,
        settings: CacheSettings,
        generations: GenerationStore,
        clock: Clock = SYSTEM_CLOCK,
        locks: Sequence[LoadLocks] = (),
        namespaces: Iterable[Namespace] = NAMESPACES.values(),
    ) -> None:
        """Set the cache up for `app`.

        Args:
            app: the application.
            config: Flask-Caching's own settings.
            settings: the engine's.
            generations: the database's side of what is fresh.
            clock: where times are read.
            locks: keep loads apart among workers while Redis is away, the nearest first.
            namespaces: those of `app`; Larder's own by default.

        Raises:
            CacheUnreachable: the settings demand Redis, and it does not answer.
            SettingsError: a TTL is set for a resource that is not there, or Redis's URL is none.
        """
        _check_ttls(settings, namespaces)
        _check_redis_url(settings)

        def in_context(work: Callable[[], None]) -> None:
            with app.app_context():
                work()

        engine = _engine(settings, generations, clock, locks, in_context)
        app.extensions[ENGINE] = engine
        app.extensions[GATES] = Gates(redis=engine.redis, clock=clock, prefix=settings.key_prefix)
        app.extensions[CLAIMS] = Claims(engine)
        backend = {"CACHE_TYPE": "cache.backends.views.ViewCache"}
        super().init_app(app, {**(config or {}), **backend})

    @staticmethod
    def answer_hits(
        app: Flask,
        *,
        count: Callable[[str, str, int, float], None],
        request_id: Callable[[str], str],
    ) -> None:
        """Have hits answered before they come to `app`'s routes (see `cache.front`).

        Args:
            app: set up by `init_app`; whatever wraps its `wsgi_app` later stands before this.
            count: told of each answer: method, route, status, seconds.
            request_id: makes a request's id of the one that its caller gave.
        """
        app.wsgi_app = Front(  # type: ignore[method-assign]  # as Flask's documentation has it
            app.wsgi_app,
            engine=app.extensions[ENGINE],
            count=count,
            request_id=request_id,
        )

    @staticmethod
    def engine_of(app: Flask) -> CacheEngine:
        """The engine of `app`, running or not."""
        engine: CacheEngine = app.extensions[ENGINE]
        return engine

    @property
    def engine(self) -> CacheEngine:
        """The engine of the running application."""
        return present_engine()

    def _memoize_version(  # noqa: PLR0913, PLR0917 (the signature is Flask-Caching's)
        self,
        f: Callable[..., Any],
        args: Any | None = None,
        kwargs: dict[str, Any] | None = None,
        reset: bool = False,
        delete: bool = False,
        refresh: bool = False,
        timeout: int | None = VERSION_TIMEOUT,
        args_to_ignore: list[str] | None = None,
    ) -> tuple[str, str] | tuple[str, None]:
        """The name of what a function's results are kept under: it ends with each deletion.

        Flask-Caching draws it and caches it as well. Workers without a Redis would have one each,
        and could not delete what another has kept for some arguments. A generation is the same
        for all.
        """
        del kwargs, refresh, timeout
        if reset or delete:
            return super()._memoize_version(f, args, delete=True, args_to_ignore=args_to_ignore)
        name, of_instance = function_namespace(f, args=args)
        if "self" in (args_to_ignore or ()):
            of_instance = None
        views, names = cast("ViewCache", self.cache), filter(None, (name, of_instance))
        return name, views.version(map(self._memvname, names))

    def _call_fn_or_exception(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a view answers, or an error that it aborted with, to be kept and raised again.

        One that would not come back the same is raised now, as any other exception.
        """
        answer = super()._call_fn_or_exception(fn, *args, **kwargs)
        if isinstance(answer, HTTPException):
            try:
                pack(answer)
            except ValueRefused:
                raise answer from None
        return answer

    @property
    def claims(self) -> Claims:
        """Who makes what just now, in the running application."""
        claims: Claims = present_app().extensions[CLAIMS]
        return claims

    @property
    def gates(self) -> Gates:
        """What counts the running application's limits of a minute."""
        gates: Gates = present_app().extensions[GATES]
        recording.spoil()  # every request passes for itself, and is told where it stands
        return gates

    def is_over(self, instant_s: float) -> bool:
        """Whether an instant has come (seconds since the epoch).

        An answer that hangs on it may be given until then: ask here, not a clock.
        """
        _hold_until(instant_s)
        return instant_s <= self.engine.clock.now().timestamp()

    def today(self) -> date:
        """The present day in UTC. An answer that hangs on it may be given until its end."""
        now = self.engine.clock.now().astimezone(UTC)
        tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        _hold_until(tomorrow.timestamp())
        return now.date()

    def forget_generations(self) -> None:
        """Have the rest of this request read anew: it has written."""
        self.engine.forget()

    def invalidated(self, scopes: Iterable[str]) -> None:
        """Count what a write has bumped. Freshness does not depend on this call."""
        scopes = list(scopes)
        self.engine.stamps.purged(scopes)
        for scope in scopes:
            name = scope.removeprefix("ns:").partition(":")[0]
            self.engine.statistics.count("invalidations", name)

    def backend_in_use(self) -> str:
        """What serves now, `redis` or `memory`: Redis is asked, for hits in memory do not."""
        return "memory" if latency_ms(self.engine.redis) is None else "redis"

    def health(self) -> Health:
        """How the cache stands, for people and alarms."""
        return health_of(self.engine)


def _hold_until(instant_s: float) -> None:
    noting = recording.current()
    if noting is not None:
        noting.holds_until(instant_s)


def _check_ttls(settings: CacheSettings, namespaces: Iterable[Namespace]) -> None:
    known = {f"{each.name}_{resource}" for each in namespaces for resource in each.ttls}
    unknown = sorted(settings.ttls.keys() - known)
    if unknown:
        names = ", ".join(f"CACHE_TTL_{name.upper()}" for name in unknown)
        raise SettingsError(f"{names}: no such TTL; there are {', '.join(sorted(known)).upper()}")


def _check_redis_url(settings: CacheSettings) -> None:
    if settings.backend == "memory":
        return
    try:
        check_redis_url(settings.redis_url)
    except ValueError as fault:
        raise SettingsError(f"REDIS_URL {fault}") from None


@dataclass
class _Region:
    """Drops what memory kept for Flask-Caching's verbs when Redis, which knows better, is back."""

    memory: MemoryCache

    def drop(self) -> None:
        prefix = f"{VIEWS_NAMESPACE}:"
        self.memory.drop_where(lambda entry: entry.key.startswith(prefix))


def _engine(
    settings: CacheSettings,
    generations: GenerationStore,
    clock: Clock,
    locks: Sequence[LoadLocks],
    in_context: Callable[[Callable[[], None]], None],
) -> CacheEngine:
    statistics = Statistics()

    def space_of(key: str) -> str:
        return key.removeprefix(f"{settings.key_prefix}:").partition(":")[0]

    memory = MemoryCache(max_bytes=settings.memory_bytes, clock=clock)
    redis = None
    if settings.backend != "memory":
        redis = RedisTier(
            Connection(settings),
            settings=settings,
            clock=clock,
            on_error=lambda error, key: statistics.count("errors", space_of(key), error),
            on_back=_Region(memory).drop,
        )
        is_up = redis.circuit.try_now()
        if settings.backend == "redis" and not is_up:
            redis.stop()
            raise CacheUnreachable(f"CACHE_BACKEND=redis, but {redis.why_away}")
        log.debug("cache_ready", backend="redis" if is_up else "memory")
    codec = EntryCodec(
        settings.signing_keys,
        max_bytes=settings.entry_bytes,
        compress_bytes=settings.compress_bytes,
    )
    return CacheEngine(
        settings=settings,
        generations=Generations(generations),
        memory=memory,
        redis=redis,
        codec=codec,
        statistics=statistics,
        clock=clock,
        locks=locks,
        in_context=in_context,
    )


cache = LarderCache(with_jinja2_ext=False)

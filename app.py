"""The application factory: settings, then extensions, then blueprints, then commands.

Importing anything opens nothing; `create_app` puts the parts together, in one place.
"""

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog
from flask import Flask
from flask_cors import CORS
from flask_migrate import Migrate
from flask_smorest import Api
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from blueprints import BLUEPRINTS
from blueprints.anthropic.errors import anthropic_error
from blueprints.http.errors import register_errors
from blueprints.http.openapi import RESPONSE_HEADERS
from blueprints.http.requests import register_request_hooks
from blueprints.http.wire_bodies import WholeRequest
from blueprints.openai.errors import openai_error
from blueprints.openai.models import models_error
from blueprints.pages import pages
from cache.engine import CacheEngine
from cache.extension import cache
from cache.file_locks import FileLocks
from cache.leases import LoadLocks
from cache.loading import LoaderTimeout
from cache.present import present_app
from cache.recording import WitnessedClock
from cache.settings import CacheSettings
from cache.statistics import shared_counters
from cli import COMMANDS
from config import Settings, SettingsError
from database.generations import GenerationsOutOfReach, SqlGenerations
from database.locks import PostgresLocks
from database.session import close_connections, db, init_database
from providers.circuit import CircuitPolicy
from providers.registry import ProviderRegistry
from services import runtime as services_runtime
from services.background import BackgroundWork
from services.cache_statistics import publish_statistics, tick
from services.generations import purge_generations
from services.installation import master_secret
from services.lost_streams import book_again, end_lost_stream, lives, sweep_lost_streams
from services.runtime import Runtime
from services.secrets import SecretBox
from services.streams import stops_requested
from services.warming import warm_at_start
from services.warming_strategies import STRATEGIES
from services.worker_processes import name_of_worker
from streams.engine import StreamEngine
from streams.limits import StreamLimits
from streams.logs.both import StreamLogs
from streams.loops import BackgroundLoop
from streams.plan import StreamHooks
from telemetry.clock import SYSTEM_CLOCK, Clock
from telemetry.ids import new_id, request_id
from telemetry.logs import configure_logs
from telemetry.metrics import RequestMetrics

__all__ = ["create_app"]

log = structlog.get_logger(__name__)

EXTENSION = "larder"
EXPOSED = (*RESPONSE_HEADERS, "Content-Disposition")
SWEEP_LOST_STREAMS_S = 30.0
PURGE_GENERATIONS_S = 6 * 3600.0
BACKGROUND_ENDS_S = 5.0
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]+|file://|null|.*[]*\\?^$[()].*", re.IGNORECASE)
"""What a browser sends; or a pattern, as Flask-CORS knows one."""
OUTAGES = (OperationalError, InterfaceError, PoolTimeout, GenerationsOutOfReach, LoaderTimeout)
"""The database is out of reach; the cache may have something for it."""


class Application(Flask):
    """Larder's: its views and hooks are plain functions, which is not asked of each anew."""

    request_class = WholeRequest

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """`func`, which is none that would have to be awaited."""
        return func


def create_app(settings: Settings | None = None, *, clock: Clock = SYSTEM_CLOCK) -> Flask:
    """Make the application.

    Args:
        settings: what it runs with; the environment's by default.
        clock: where it reads the time.

    Raises:
        SettingsError: a setting is something that cannot be.
        CacheUnreachable: `CACHE_BACKEND=redis`, and Redis does not answer.
    """
    settings = settings or Settings.from_env()
    _check_strategies(settings)
    _check_origins(settings)
    app = Application(__name__, static_folder=None, instance_path=str(settings.instance_path))
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.url_map.strict_slashes = False
    configure_logs(level=settings.log_level, style=settings.log_format)
    secret = _open_instance(settings)
    init_database(app, settings.sqlalchemy_url, pool_size=settings.database_pool_size)
    Migrate(app, db, directory=str(settings.root / "migrations"), render_as_batch=True)
    secrets = SecretBox(secret, settings.secret_key_before)
    _init_cache(app, settings, secrets, clock)
    _init_runtime(app, settings, secrets, clock)
    _register(app, settings)
    cache.answer_hits(app, count=app.extensions[EXTENSION].requests.observe, request_id=request_id)
    return app


def _check_strategies(settings: Settings) -> None:
    unknown = [each for each in settings.cache_warm_at_start if each not in (*STRATEGIES, "all")]
    if unknown:
        known = ", ".join(STRATEGIES)
        raise SettingsError(f"CACHE_WARM_AT_START has {', '.join(unknown)}; there are all, {known}")


def _check_origins(settings: Settings) -> None:
    wrong = [each for each in settings.cors_origins if not ORIGIN.fullmatch(each)]
    if wrong:
        raise SettingsError(
            f"CORS_ORIGINS has {', '.join(wrong)}: an origin is a scheme and a host, without a path"
            " or a slash behind them, such as https://chat.example"
        )


def _open_instance(settings: Settings) -> str:
    """The installation's secret, and the folder that it is in."""
    try:
        settings.instance_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return master_secret(settings)
    except OSError as fault:
        raise SettingsError(f"LARDER_INSTANCE_PATH cannot be used: {fault}") from fault


def _init_cache(app: Flask, settings: Settings, secrets: SecretBox, clock: Clock) -> None:
    cache.init_app(
        app,
        settings=CacheSettings(
            backend=settings.cache_backend,
            redis_url=settings.redis_url,
            key_prefix=settings.cache_key_prefix,
            memory_bytes=settings.cache_memory_bytes,
            memory_first=settings.cache_memory_first,
            entry_bytes=settings.cache_entry_bytes,
            connect_timeout_s=settings.cache_redis_connect_timeout_s,
            timeout_s=settings.cache_redis_timeout_s,
            audit_share=settings.cache_audit_share,
            ttls=settings.cache_ttls,
            signing_keys=secrets.cache_keys,
            stale_s=settings.cache_stale_if_error_s,
            outages=OUTAGES,
        ),
        generations=SqlGenerations(clock),
        clock=clock,
        locks=_load_locks(settings),
    )


def _load_locks(settings: Settings) -> list[LoadLocks]:
    """What keeps loads apart while Redis is away: on this machine, then among machines."""
    locks: list[LoadLocks] = [FileLocks(settings.instance_path / "cache_locks")]
    if settings.sqlalchemy_url.startswith("postgresql"):
        locks.append(PostgresLocks(settings.sqlalchemy_url))
    return locks


def _init_runtime(app: Flask, settings: Settings, secrets: SecretBox, clock: Clock) -> None:
    def in_context(work: Callable[[], object]) -> None:
        with app.app_context():
            work()

    background = BackgroundWork(in_context)
    engine = cache.engine_of(app)
    streams = StreamEngine(
        logs=_stream_logs(engine, settings.cache_key_prefix),
        clock=clock,
        run_in_context=in_context,
        limits=StreamLimits(
            heartbeat_s=settings.stream_heartbeat_s, log_ttl_s=settings.stream_log_ttl_s
        ),
    )

    def shut_down(grace_s: float) -> None:
        streams.shutdown(grace_s)
        background.stop(BACKGROUND_ENDS_S)
        try:
            in_context(publish_statistics)
        except DBAPIError as fault:
            log.warning("statistics_not_published", reason=str(fault)[:200])
        providers.close()
        engine.shutdown()
        in_context(close_connections)

    def serving() -> None:
        for loop in loops:
            loop.wake()
        if settings.cache_warm_at_start:
            background.start(partial(warm_at_start, settings.cache_warm_at_start))

    loops = (
        _repeated(partial(in_context, sweep_lost_streams), lambda: SWEEP_LOST_STREAMS_S),
        _repeated(partial(in_context, book_again), lambda: streams.confirm_lost_s / 3),
        _repeated(partial(in_context, purge_generations), lambda: PURGE_GENERATIONS_S),
        _repeated(partial(in_context, tick), lambda: _to_next_minute_s(clock)),
    )
    providers = ProviderRegistry(
        circuits=CircuitPolicy(
            failures=settings.provider_circuit_failures, pause_s=settings.provider_circuit_pause_s
        ),
        clock=clock,
    )
    worker = name_of_worker()
    app.extensions["larder_shutdown"] = shut_down
    app.extensions["larder_serving"] = serving
    streams.bind(StreamHooks(on_lost=end_lost_stream, lives=lives, stops_requested=stops_requested))
    app.extensions[EXTENSION] = Runtime(
        settings=settings,
        clock=WitnessedClock(clock),
        secrets=secrets,
        providers=providers,
        streams=streams,
        worker=worker,
        instance=shared_counters() or f"{worker}:{new_id()}"[-100:],
        requests=RequestMetrics(),
        background=background,
    )
    services_runtime.bind(lambda: present_app().extensions[EXTENSION])


def _stream_logs(engine: CacheEngine, prefix: str) -> StreamLogs:
    """Streams share the cache's Redis and its circuit: what one finds out, the other knows."""
    if engine.redis is None:
        return StreamLogs()
    return StreamLogs(redis=engine.redis_client, prefix=prefix, on_fault=engine.redis.report)


def _repeated(work: Callable[[], None], pause_s: Callable[[], float]) -> BackgroundLoop:
    """A loop beside the requests, which begins once the worker serves."""

    def step() -> bool:
        try:
            work()
        finally:
            loop.pause(pause_s())
        return True

    loop = BackgroundLoop("larder-background", step)
    return loop


def _to_next_minute_s(clock: Clock) -> float:
    """A little more than what is left of this minute: workers need not all come at once."""
    return 60 - clock.now().second + random.uniform(0, 3)  # noqa: S311 (no secret)


def _register(app: Flask, settings: Settings) -> None:
    register_request_hooks(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.extensions["larder_openapi"] = {"collect": _collect_routes}
    app.register_blueprint(pages)
    if settings.cors_origins:
        CORS(app, origins=list(settings.cors_origins), expose_headers=EXPOSED, max_age=600)
    register_errors(
        app,
        (DBAPIError, PoolTimeout, GenerationsOutOfReach, LoaderTimeout),
        shapes={
            "/v1/messages": anthropic_error,
            "/v1/models": models_error,
            "/v1": openai_error,
        },
    )
    for commands in COMMANDS:
        app.register_blueprint(commands)


def _collect_routes() -> dict[str, Any]:
    """What the routes say of themselves: half of a start's time, so only when it is asked for."""
    scratch = Flask("larder", static_folder=None)
    scratch.config |= {"API_TITLE": "Larder", "API_VERSION": "v1", "OPENAPI_VERSION": "3.1.0"}
    api = Api(scratch)
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    document: dict[str, Any] = api.spec.to_dict()
    return document

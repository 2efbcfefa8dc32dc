"""The application under test, its clients, and its clock; nothing else."""

import gc
import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from cache.extension import cache
from config import Settings
from database.session import db
from services.runtime import runtime
from services.startup import prepare
from telemetry.logs import configure_logs
from tests.doubles.api_client import ApiClient
from tests.doubles.fake_clock import FakeClock
from tests.doubles.openai_server import KEY as UPSTREAM_KEY
from tests.doubles.openai_server import OpenAIServer
from tests.doubles.prepared_databases import PreparedDatabases
from tests.doubles.quick_rules import QuickRule
from tests.doubles.redis_process import RedisProcess, free_port, patient_client
from tests.doubles.wire_server import WireServer
from tests.factories.users import make_user
from tests.streams.scripts import wait_until

pytest_plugins = ["tests.doubles.postgres", "tests.doubles.dependencies"]

ADMIN_KEY = "lk-admin-key-of-the-test-suite"

Flask.url_rule_class = QuickRule


def pytest_collection_finish() -> None:
    """What is imported stays: the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 50)


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves by hand."""
    return FakeClock()


@pytest.fixture
def settings(tmp_path: Path, database_url: str, cache_fields: dict[str, Any]) -> Settings:
    """Settings of one test: its own database and cache, no environment."""
    return Settings(
        instance_path=tmp_path / "instance",
        database_url=database_url,
        **cache_fields,
        cache_audit_share=1.0,
        cache_warm_at_start=(),
        secret_key="the suite's secret, of no worth",
        admin_key=ADMIN_KEY,
        provider_retries=0,
        log_level="error",
        log_format="json",
    )


@pytest.fixture(scope="session")
def prepared_databases(tmp_path_factory: pytest.TempPathFactory) -> PreparedDatabases:
    """What saves each test the making of its tables."""
    return PreparedDatabases(tmp_path_factory.mktemp("prepared"))


@pytest.fixture
def app(
    settings: Settings, clock: FakeClock, prepared_databases: PreparedDatabases
) -> Iterator[Flask]:
    """A fresh application with its tables, an owner and `demo/echo`."""
    is_prepared = prepared_databases.bring(settings, clock)
    app = create_app(settings, clock=clock)
    if not is_prepared:
        with app.app_context():
            db.create_all()
            prepare()
    inconsistent: list[str] = []
    cache.engine_of(app).auditor.on_inconsistent = inconsistent.append
    yield app
    if not settings.sqlalchemy_url.startswith("sqlite"):
        app.extensions["larder_shutdown"](0.0)
    with app.app_context():
        # An end that writes its sums as well costs as much as most tests.
        runtime().streams.shutdown(0.0)
        runtime().background.stop(30)
        runtime().providers.close()
        cache.engine_of(app).shutdown()
        db.engine.dispose()
    assert not inconsistent, "hits differed from the database"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client without a key."""
    return app.test_client()


@pytest.fixture
def admin(app: Flask) -> ApiClient:
    """The first admin, an owner."""
    return ApiClient(app, ADMIN_KEY)


@pytest.fixture
def alice(app: Flask) -> ApiClient:
    """A member."""
    return make_user(app, "Alice")


@pytest.fixture
def bob(app: Flask) -> ApiClient:
    """Another member, to whom nothing of Alice's is to be seen."""
    return make_user(app, "Bob")


@pytest.fixture
def upstream() -> Iterator[OpenAIServer]:
    """A provider that speaks OpenAI's format, over real HTTP."""
    server = OpenAIServer().start()
    yield server
    server.close()


@pytest.fixture
def logged(app: Flask) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the application has logged so far, down to the least of it."""
    before = structlog.get_config()
    lines = StringIO()
    configure_logs(level="debug", style="json")
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(lines))
    yield lambda: [json.loads(line) for line in lines.getvalue().splitlines()]
    structlog.configure(**before)


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    """One real server for all tests that do not harm it."""
    process = RedisProcess().start()
    yield process
    process.kill()


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    """One node that holds all slots, which is a Cluster to its clients."""
    folder = tmp_path_factory.mktemp("redis-cluster")
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    process = RedisProcess(*options, "--dir", str(folder)).start()
    client = patient_client(process.port)
    client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
    client.close()
    yield process
    process.kill()


@pytest.fixture
def wire() -> Iterator[WireServer]:
    """A server whose every byte the test writes down."""
    server = WireServer()
    yield server
    server.close()


@pytest.fixture
def provided(admin: ApiClient, upstream: OpenAIServer) -> OpenAIServer:
    """The same, known to the application as `up`, its models synced."""
    new = {"id": "up", "wire_format": "openai", "base_url": upstream.url, "secret": UPSTREAM_KEY}
    assert admin.post("/api/providers", json=new).status_code == 201
    assert admin.post("/api/providers/up/sync").status_code == 200
    return upstream

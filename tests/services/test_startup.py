"""A start makes the installation ready, says what it stands on, and shows a key once."""

from dataclasses import replace

import flask_migrate
import pytest
from sqlalchemy import text

from app import create_app
from config import SettingsError
from database.session import db
from services.errors import Unavailable
from services.startup import prepare
from telemetry.ids import new_id
from tests.conftest import ADMIN_KEY
from tests.doubles.api_client import ApiClient
from tests.doubles.redis_process import free_port


@pytest.fixture
def started(settings, clock):
    """An application with other settings, its tables made; not yet prepared."""
    apps = []

    def starting(**changes):
        app = create_app(replace(settings, **changes), clock=clock)
        apps.append(app)
        with app.app_context():
            db.create_all()
        return app

    yield starting
    for app in apps:
        app.extensions["larder_shutdown"](0.0)
        with app.app_context():
            with db.engine.execution_options(writes=True).begin() as connection:
                connection.execute(text("DROP TABLE IF EXISTS alembic_version"))  # all share it
            db.engine.dispose()


def _lines(app):
    with app.app_context():
        return prepare().lines


def test_a_key_that_was_made_up_is_shown_once(started):
    """The operator copies it from the terminal; it works."""
    app = started(admin_key="")

    first, second = _lines(app), _lines(app)

    key = first[-1].removeprefix("Admin API key (shown once, keep it): ")
    assert key.startswith("lk-")
    assert ApiClient(app, key).get("/api/me").json["role"] == "owner"
    assert len(second) == 1
    assert key not in str(second)


def test_a_key_of_the_environment_is_not_repeated(started):
    """A terminal's scrollback is no place for it."""
    lines = _lines(started())

    assert ADMIN_KEY not in str(lines)


@pytest.mark.parametrize(
    ("backend", "words"), [("memory", "as CACHE_BACKEND says"), ("auto", "no Redis answers")]
)
def test_what_the_cache_stands_on_is_said(started, backend, words):
    """Memory by choice and memory for want of Redis are two things."""
    url = f"redis://127.0.0.1:{free_port()}/0"

    (line,) = _lines(started(cache_backend=backend, redis_url=url))

    assert "Cache: memory" in line
    assert words in line


@pytest.mark.server
def test_a_redis_that_refuses_is_not_called_silent(started, redis_process):
    """A wrong password is looked for elsewhere than a server that is off."""
    url = f"redis://nobody:wrong@127.0.0.1:{redis_process.port}/0"

    (line,) = _lines(started(cache_backend="auto", redis_url=url))

    assert "Cache: memory, for the Redis at REDIS_URL cannot be used: AuthenticationError" in line
    assert "wrong" not in line.replace("WRONGPASS", "")


@pytest.mark.server
@pytest.mark.parametrize(
    ("memory_first", "words"), [(True, "in front and as the fallback"), (False, "as the fallback")]
)
def test_with_redis_the_place_of_memory_is_said(started, redis_url, memory_first, words):
    """Where a hit comes from first is the operator's choice."""
    fields = {"cache_backend": "auto", "redis_url": redis_url, "cache_key_prefix": new_id()}

    (line,) = _lines(started(**fields, cache_memory_first=memory_first))

    assert line.endswith(f"Cache: Redis, with memory {words}.")


def test_the_database_is_named_by_its_kind_only(started):
    """A URL holds a password."""
    (line,) = _lines(started())

    assert line.split(". ")[0] in {"Database: sqlite", "Database: postgresql"}
    assert "test" not in line


def test_without_tables_the_mend_is_said(started):
    """The usual mistake of a first start."""
    app = started()
    with app.app_context():
        db.drop_all()

    with pytest.raises(Unavailable, match="flask db upgrade"):
        _lines(app)


def test_a_database_of_another_release_stops_the_start(started):
    """Its workers would fail on each table or column that it lacks."""
    with started().app_context():
        flask_migrate.stamp(revision="0009")

        with pytest.raises(Unavailable, match=r"at revision 0009.*flask db upgrade"):
            prepare()


def test_a_start_brings_admin_and_models(started):
    """After it the first request can be answered."""
    app = started()

    _lines(app)

    answer = ApiClient(app, ADMIN_KEY).get("/api/models")
    assert [each["id"] for each in answer.json["items"]] == ["demo/echo"]


def test_a_start_may_be_repeated(started):
    """Each worker, each machine, each day."""
    app = started()
    _lines(app)

    _lines(app)

    with app.app_context(), db.engine.connect() as connection:
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()  # noqa: S608
            for table in ("users", "api_keys", "providers", "models")
        ]
    assert counts == [1, 1, 1, 1]


def test_a_file_of_providers_that_is_wrong_stops_the_start(started, tmp_path):
    """Better than to serve without them; the terminal shows a sentence, no traceback."""
    path = tmp_path / "providers.toml"
    path.write_text("provider = 5")
    app = started(providers_file=path)

    with pytest.raises(SettingsError, match="LARDER_PROVIDERS"):
        _lines(app)

    said = app.test_cli_runner().invoke(args=["prepare"])
    assert said.exit_code == 1
    assert said.output.startswith("Error: LARDER_PROVIDERS: ")

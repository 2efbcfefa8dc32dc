"""The application factory: the parts put together, and taken apart again."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from app import create_app
from cache.extension import cache
from cache.settings import CacheUnreachable
from cli import COMMANDS
from config import SettingsError
from database.session import db, read_session
from database.tables.platform import CacheStatistics, WarmRun
from services.startup import prepare
from tests.conftest import ADMIN_KEY
from tests.streams.scripts import wait_until

ROOT = Path(__file__).resolve().parents[1]
NOBODY = "redis://127.0.0.1:1/0"
KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}
LISTEN = """
import sys
touched = []
kinds = ("socket.connect", "socket.getaddrinfo", "sqlite3.connect", "subprocess.Popen", "os.mkdir")
def note(event, args):
    writes = event == "open" and isinstance(args[1], str) and args[1] not in ("r", "rb")
    if writes or event in kinds:
        touched.append((event, args[:1]))
sys.addaudithook(note)
import app
print(touched)
"""


@pytest.fixture
def made(settings, clock):
    """Makes applications of changed settings and ends them."""
    apps = []

    def make(**changes):
        apps.append(create_app(replace(settings, **changes), clock=clock))
        return apps[-1]

    yield make
    for each in apps:
        each.extensions["larder_shutdown"](0.0)
        with each.app_context():
            db.engine.dispose()


def test_importing_it_opens_nothing(tmp_path):
    """No connection, no file, no process: a tool that imports it must not change anything."""
    shown = subprocess.run(
        [sys.executable, "-B", "-c", LISTEN],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},  # noqa: TID251 (the tests' own)
        check=True,
        capture_output=True,
        text=True,
    )

    assert shown.stdout.strip() == "[]"


def test_two_applications_share_nothing(made, tmp_path):
    """Each has its database and its cache: tests, and several installations, do not meet."""
    one = made(database_url=f"sqlite:///{tmp_path / 'one.sqlite3'}")
    other = made(database_url=f"sqlite:///{tmp_path / 'other.sqlite3'}")
    with one.app_context():
        db.create_all()
        answers = one.test_client().get("/readyz").status_code
    with other.app_context():
        tables = db.inspect(db.engine).get_table_names()

    assert answers == 200
    assert tables == []
    assert cache.engine_of(one) is not cache.engine_of(other)


def test_memory_serves_where_no_redis_answers(made):
    """`auto` starts anyway, and says so."""
    app = made(cache_backend="auto", redis_url=NOBODY)

    with app.app_context():
        assert cache.backend_in_use() == "memory"


def test_redis_can_be_insisted_on(made):
    """Whoever demands it learns of its absence at the start and not from slow pages."""
    with pytest.raises(CacheUnreachable, match="REDIS_URL"):
        made(cache_backend="redis", redis_url=NOBODY)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"cache_ttls": {"models_lists": 5}}, "CACHE_TTL_MODELS_LISTS"),
        ({"cache_warm_at_start": ("prices", "everything")}, "CACHE_WARM_AT_START has everything"),
    ],
)
def test_a_name_that_does_not_exist_stops_the_start(made, changes, told):
    """A typing error would otherwise change nothing, in silence."""
    with pytest.raises(SettingsError, match=told):
        made(**changes)


def test_every_command_is_there(app):
    """`flask --help` shows what the terminal can do."""
    assert {each.name for each in COMMANDS} <= set(app.blueprints)
    assert {"prepare", "cache-warm", "cache", "admin", "costs", "db"} <= set(app.cli.commands)


def test_nothing_at_the_root_is_served_as_a_file(client):
    """The code lies beside the factory."""
    assert client.get("/static/app.py").status_code == 404
    assert client.get("/app.py").status_code == 404


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/nowhere", "application/problem+json"), ("/v1/nowhere", "application/json")],
)
def test_errors_have_the_shape_of_their_path(client, path, kind):
    """OpenAI's clients read OpenAI's errors."""
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.mimetype == kind


def test_a_slash_at_the_end_changes_nothing(alice):
    """People and programs add one."""
    assert alice.get("/api/folders/").status_code == 200


def test_a_body_has_a_limit(made):
    """Nobody fills the memory with one request."""
    app = made(max_body_bytes=1024)
    with app.app_context():
        db.create_all()
        prepare()

    answer = app.test_client().post("/api/folders", json={"name": "x" * 1024}, headers=KEY)

    assert answer.status_code == 413


def test_a_database_that_is_away_is_a_503(made):
    """It is nobody's fault who asked, and asking again helps."""
    app = made(database_url="postgresql://nobody@127.0.0.1:1/nothing")

    answer = app.test_client().get("/api/folders", headers=KEY)

    assert answer.status_code == 503
    assert answer.get_json()["code"] == "database_unavailable"


def _runs(app):
    with app.app_context(), read_session() as session:
        return [(row.strategy, row.status) for row in session.scalars(select(WarmRun))]


def test_what_is_to_be_warm_is_warmed_when_serving_begins(made):
    """Beside the requests, of which none waits for it."""
    app = made(cache_warm_at_start=("catalogue",))
    with app.app_context():
        db.create_all()

    app.extensions["larder_serving"]()
    wait_until(lambda: _runs(app) == [("catalogue", "done")])

    assert _runs(app) == [("catalogue", "done")]


def test_the_end_keeps_the_figures(app, alice):
    """A restart loses no count."""
    alice.get("/api/folders")

    app.extensions["larder_shutdown"](0.0)

    with app.app_context(), read_session() as session:
        (row,) = session.scalars(select(CacheStatistics)).all()
    assert row.figures["reads|conversations|folders|miss|absent"] == 1


def test_ending_without_a_database_ends_nevertheless(made):
    """A worker must not hang on what is away already."""
    app = made(database_url="postgresql://nobody@127.0.0.1:1/nothing")

    app.extensions["larder_shutdown"](0.0)
    app.extensions["larder_shutdown"](0.0)

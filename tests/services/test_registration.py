"""What the environment and the TOML file declare is in the catalogue after each start."""

import re
import textwrap
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from app import create_app
from config import SettingsError
from database.session import db, read_session
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.registry import WIRE_FORMATS
from schemas.providers import NewProvider
from services import model_routes, providers
from services.provider_configs import route_config
from services.registration import declared_providers, register_providers
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.architecture.source import ROOT
from tests.doubles.anthropic_server import KEY as CLAUDE_KEY
from tests.doubles.anthropic_server import AnthropicServer
from tests.doubles.openai_server import KEY
from tests.doubles.together import together
from tests.doubles.wire_server import whole
from tests.factories.models import lists

FILE = """
[[provider]]
id = "vllm"
name = "Our own"
wire_format = "openai"
base_url = "{url}"
api_key = "words-of-the-file"
"""


@pytest.fixture
def started(settings, clock):
    """Start over the same database with other settings; the application."""
    apps = []

    def starting(**changes):
        app = create_app(replace(settings, **changes), clock=clock)
        apps.append(app)
        with app.app_context():
            db.create_all()
            register_providers()
        return app

    yield starting
    for app in apps:
        app.extensions["larder_shutdown"](0.0)
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def file(tmp_path):
    """Write the TOML file; its path."""

    def writing(text):
        path = tmp_path / "providers.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def _rows(app):
    with app.app_context(), read_session() as session:
        rows = session.scalars(select(CatalogueProvider).order_by(CatalogueProvider.id)).all()
        session.expunge_all()
        return {row.id: row for row in rows}


def _model_ids(app):
    with app.app_context(), read_session() as session:
        return session.scalars(select(CatalogueModel.id).order_by(CatalogueModel.id)).all()


def _secret(app, provider_id):
    with app.app_context():
        return runtime().secrets.decrypt(_rows(app)[provider_id].encrypted_secret or "")


def test_without_any_declaration_the_demo_is_there(started):
    """One can try it without a key of anybody's."""
    app = started()

    (demo,) = _rows(app).values()
    assert (demo.id, demo.origin, demo.sync_error) == ("demo", "builtin", None)
    assert _model_ids(app) == ["demo/echo"]


def test_the_environments_provider_is_there_with_its_models_and_no_demo(started, upstream):
    """One variable is all that a first start needs."""
    app = started(openai_base_url=upstream.url, openai_api_key=KEY)

    (row,) = _rows(app).values()
    assert (row.id, row.origin, row.base_url) == ("openai", "environment", upstream.url)
    assert row.encrypted_secret is not None
    assert KEY not in row.encrypted_secret
    assert _secret(app, "openai") == KEY
    assert "openai/echo" in _model_ids(app)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"openai_base_url": "ftp://example.com"}, "OPENAI_BASE_URL: Must begin with http"),
        ({"openai_api_key": "sk-a\n"}, "OPENAI_API_KEY: Must have no control"),
        ({"anthropic_base_url": "https://a b"}, "ANTHROPIC_BASE_URL: Must have no spaces"),
    ],
)
def test_a_provider_that_cannot_be_asked_is_said_at_the_start(started, wrong, words):
    """Not at the first call; and without its key."""
    with pytest.raises(SettingsError, match=words) as refused:
        started(**wrong)

    assert "sk-a" not in str(refused.value)


def test_a_changed_key_takes_effect_at_the_next_start(started, upstream):
    """The environment's word counts over what is stored; a failed sync is made up for."""
    before = started(openai_base_url=upstream.url, openai_api_key="sk-wrong")
    assert _rows(before)["openai"].sync_error is not None
    assert _model_ids(before) == []

    after = started(openai_base_url=upstream.url, openai_api_key=KEY)

    assert _secret(after, "openai") == KEY
    assert _rows(after)["openai"].sync_error is None
    assert "openai/echo" in _model_ids(after)


def test_another_start_without_news_asks_and_writes_nothing(started, wire, clock):
    """Starts are frequent, and an admin's changes are not undone by them."""
    lists(wire, "a")
    declared = {"openai_base_url": wire.url, "openai_api_key": "sk-x"}
    before = _rows(started(**declared))["openai"]
    clock.advance(3600)

    after = _rows(started(**declared))["openai"]

    assert len(wire.requests) == 1
    assert (after.updated_at, after.encrypted_secret) == (
        before.updated_at,
        before.encrypted_secret,
    )


def test_a_moved_address_is_synced_anew(started, wire, upstream):
    """Another server has other models."""
    lists(wire, "a")
    started(openai_base_url=wire.url, openai_api_key=KEY)

    app = started(openai_base_url=upstream.url, openai_api_key=KEY)

    assert _rows(app)["openai"].base_url == upstream.url
    assert {"openai/a", "openai/echo"} <= set(_model_ids(app))


def test_a_provider_of_the_file_is_like_one_of_the_environment(started, wire, file):
    """Any number of them, with names of their own."""
    lists(wire, "a")

    app = started(providers_file=file(FILE.format(url=wire.url)))

    row = _rows(app)["vllm"]
    assert (row.name, row.origin, row.wire_format) == ("Our own", "file", "openai")
    assert _secret(app, "vllm") == "words-of-the-file"
    assert b"words-of-the-file" in wire.requests[0]
    assert _model_ids(app) == ["vllm/a"]


def test_what_an_admin_made_is_not_overwritten(started, wire, file):
    """A name that is taken by hand stays in their hands."""
    app = started()
    with app.app_context(), unit_of_work() as work:
        ours = NewProvider(id="vllm", wire_format="openai", base_url="http://127.0.0.1:9/v1")
        providers.add_provider(work, ours, origin="api")

    again = started(providers_file=file(FILE.format(url=wire.url)))

    assert _rows(again)["vllm"].base_url == "http://127.0.0.1:9/v1"


def test_a_provider_that_does_not_answer_keeps_nothing_from_starting(started, wire, upstream, file):
    """It is noted, and the others are synced."""
    wire.replies([whole(b"", "500 No")])

    app = started(
        providers_file=file(FILE.format(url=wire.url)),
        openai_base_url=upstream.url,
        openai_api_key=KEY,
    )

    assert _rows(app)["vllm"].sync_error == "The provider failed (500)."
    assert "openai/echo" in _model_ids(app)


def test_a_wire_format_that_nobody_speaks_is_passed_over(started, file):
    """It is logged; the demo stands in, so that something is there."""
    path = file('[[provider]]\nid = "x"\nwire_format = "morse"\nbase_url = "http://127.0.0.1:1"')

    app = started(providers_file=path, log_level="critical")

    assert list(_rows(app)) == ["demo"]


def _examples():
    """The TOML blocks of the documentation, indented or not."""
    pages = sorted((ROOT / "docs").glob("*.md"))
    blocks = re.findall(
        r"```toml\n(.*?)```", "".join(each.read_text() for each in pages), re.DOTALL
    )
    return [textwrap.dedent(each) for each in blocks]


@pytest.mark.parametrize("example", _examples())
def test_every_example_in_the_documentation_is_read_as_it_stands(settings, file, example):
    """People copy them; each names a format that is spoken."""
    declared = dict(declared_providers(replace(settings, providers_file=file(example))))

    assert len(declared) == example.count("[[provider]]") > 0
    assert {new.wire_format for new, _ in declared.values()} <= set(WIRE_FORMATS)


def test_anthropics_key_is_all_that_its_models_need(started):
    """They are there after the first start, with what they can do and what they cost."""
    claude = AnthropicServer().start()

    app = started(anthropic_base_url=claude.url, anthropic_api_key=CLAUDE_KEY)

    claude.close()
    (row,) = _rows(app).values()
    assert (row.id, row.wire_format, row.sync_error) == ("anthropic", "anthropic", None)
    assert "anthropic/echo" in _model_ids(app)
    with app.app_context():
        (route,) = model_routes.routes_for("anthropic/echo", {}).routes
        assert route_config(route).api_key == CLAUDE_KEY
        assert (route.max_output_tokens, "vision" in route.capabilities) == (4096, True)


def test_a_secret_under_a_lost_key_is_written_anew(started, upstream):
    """The declaration has it, so nobody has to do anything."""
    declared = {"openai_base_url": upstream.url, "openai_api_key": KEY}
    started(**declared)

    after = started(**declared, secret_key="another secret of the installation")

    assert _secret(after, "openai") == KEY
    with after.app_context():
        (route,) = model_routes.routes_for("openai/slow", {}).routes
        assert route_config(route).api_key == KEY


def test_starts_at_once_end_with_one_of_each(started, wire, settings):
    """Several machines come up together."""
    lists(wire, "a", "b")
    app = started()
    declaring = replace(settings, openai_base_url=wire.url, openai_api_key="sk-x")
    apps = [create_app(declaring) for _ in range(3)]

    def starting(each):
        with each.app_context():
            register_providers()

    together([partial(starting, each) for each in apps])

    assert _model_ids(app) == ["demo/echo", "openai/a", "openai/b"]
    assert sorted(_rows(app)) == ["demo", "openai"]
    for each in apps:
        each.extensions["larder_shutdown"](0.0)
        with each.app_context():
            db.engine.dispose()


def test_the_usual_addresses_are_known(settings):
    """A key alone is enough; an address alone is enough too."""
    declared = dict(
        declared_providers(
            replace(settings, openai_api_key="a", anthropic_base_url="http://127.0.0.1:1")
        )
    )

    openai, anthropic = declared["openai"][0], declared["anthropic"][0]
    assert (openai.base_url, openai.secret) == ("https://api.openai.com/v1", "a")
    assert (anthropic.base_url, anthropic.secret) == ("http://127.0.0.1:1", None)


@pytest.mark.parametrize(
    "text",
    [
        "not toml at all",
        "provider = 5",
        "provider = [5]",
        "[provider]\nid = 'x'",
        "[[provider]]\nid = 'x'",
        "[[provider]]\nid = 'Not A Slug'\nwire_format = 'openai'\nbase_url = 'http://a'",
        "[[provider]]\nid = 'x'\nwire_format = 'openai'\nbase_url = 'a'\napi_key = 'the-secret'",
        "[[provider]]\nid = 'x'\nwire_format = 'openai'\nurl = 'http://a'\napi_key = 'the-secret'",
        "[[provider]]\nid = 'x'\nwire_format = 'openai'\napi_key = 5",
    ],
)
def test_a_file_that_is_not_as_it_must_be_is_said_by_its_variable(settings, file, text):
    """An operator reads which file and where, and no secret is repeated."""
    with pytest.raises(SettingsError, match=r"LARDER_PROVIDERS: .*providers\.toml") as refused:
        dict(declared_providers(replace(settings, providers_file=file(text))))

    assert "the-secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_said(settings, tmp_path):
    """A typing error in the path must not mean no providers."""
    with pytest.raises(SettingsError, match="LARDER_PROVIDERS"):
        dict(declared_providers(replace(settings, providers_file=tmp_path / "nowhere.toml")))


def test_an_empty_file_declares_nothing(settings, file):
    """It may be kept for later."""
    assert dict(declared_providers(replace(settings, providers_file=file("# none yet\n")))) == {}

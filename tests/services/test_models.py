"""Models as services see them: how they are reached, and what keeps them from being."""

import pytest

from cache.namespaces import MODELS, PROVIDERS
from database.tables.models import CatalogueProvider
from schemas.models import ModelQuery
from services import models
from services.errors import NotFound, Unavailable
from services.unit_of_work import unit_of_work
from tests.factories.models import make_provider

URL = "http://127.0.0.1:1/v1"


@pytest.fixture
def context(app):
    """The application's context."""
    with app.app_context():
        yield


@pytest.fixture
def acme(admin):
    """A provider with a model whose name has slashes."""
    make_provider(admin, URL, secret="sk-ours")
    admin.post("/api/models", json={"id": "acme/org/brain"})


def test_a_route_says_how_a_model_is_reached(acme, context):
    """The provider's own name for it, the address, and the secret still encrypted."""
    found = models.route("acme/org/brain")

    assert (found.provider_id, found.name, found.base_url) == ("acme", "org/brain", URL)
    assert (found.wire_format, found.status) == ("openai", "active")
    assert "sk-ours" not in repr(found)
    config = models.provider_config(found)
    assert (config.provider_id, config.base_url, config.api_key) == ("acme", URL, "sk-ours")
    assert "sk-ours" not in repr(config)


def test_time_limits_of_a_call_are_the_settings(acme, context, settings):
    """Four of them, none forgotten."""
    config = models.provider_config(models.route("acme/org/brain"))

    assert config.connect_timeout_s == settings.provider_connect_timeout_s
    assert config.first_token_timeout_s == settings.provider_first_token_timeout_s
    assert config.between_tokens_timeout_s == settings.provider_between_tokens_timeout_s
    assert config.total_timeout_s == settings.provider_total_timeout_s


def test_a_provider_without_a_secret_has_an_empty_key(context):
    """A local server needs none."""
    assert models.config_of("x", "openai", URL, None).api_key == ""


def test_a_secret_that_cannot_be_read_is_said_with_the_mend(context):
    """It names the provider and shows nothing of what is stored."""
    with pytest.raises(Unavailable) as refused:
        models.config_of("acme", "openai", URL, "of another key")

    assert refused.value.code == "provider_secret_unreadable"
    assert "acme" in refused.value.detail
    assert "of another" not in refused.value.detail


@pytest.mark.parametrize(
    ("model", "provider", "is_reached"),
    [
        ("active", "active", True),
        ("deprecated", "active", True),
        ("disabled", "active", False),
        ("active", "disabled", False),
    ],
)
def test_what_is_switched_off_has_no_route(admin, acme, context, model, provider, is_reached):
    """From the next call on, though the route was warm."""
    models.route("acme/org/brain")
    admin.patch("/api/models/acme/org/brain", json={"status": model})
    admin.patch("/api/providers/acme", json={"status": provider})

    found = models.find_route("acme/org/brain").value

    assert (found is not None) is is_reached


def test_a_bare_name_is_the_one_model_that_has_it(admin, acme, context):
    """With two of the name nobody's bill is guessed at; a whole id always counts first."""
    before = models.find_route("org/brain").value
    make_provider(admin, URL, provider_id="zeta")
    admin.post("/api/models", json={"id": "zeta/org/brain"})
    twice = models.find_route("org/brain").value
    make_provider(admin, URL, provider_id="org")
    admin.post("/api/models", json={"id": "org/brain"})

    whole = models.find_route("org/brain").value

    assert before is not None
    assert (before.model_id, twice) == ("acme/org/brain", None)
    assert whole is not None
    assert whole.model_id == "org/brain"


def test_of_two_with_a_name_the_one_in_use_is_meant(admin, acme, context):
    """What is switched off does not make a name ambiguous."""
    admin.post("/api/models", json={"id": "demo/org/brain", "status": "disabled"})

    found = models.find_route("org/brain").value

    assert found is not None
    assert found.model_id == "acme/org/brain"


@pytest.mark.parametrize(
    "model_id", ["", "acme", "acme/", "acme/org", "x" * 5000, "%", "ACME/org/brain"]
)
def test_no_such_model_is_a_short_sentence_with_openais_code(acme, context, model_id):
    """Long or odd ids are cut, not echoed."""
    with pytest.raises(NotFound) as refused:
        models.route(model_id)

    assert refused.value.code == "model_not_found"
    assert len(refused.value.detail) < 120


def test_a_model_that_was_not_there_is_found_once_it_is(admin, acme, context):
    """That something is missing is not remembered beyond the write that brings it."""
    assert models.find_route("acme/new").value is None

    admin.post("/api/models", json={"id": "acme/new"})

    assert models.route("acme/new").model_id == "acme/new"


def test_a_new_secret_is_used_by_the_next_route(admin, acme, context):
    """A revoked provider key does not live on in the cache."""
    models.route("acme/org/brain")

    admin.patch("/api/providers/acme", json={"secret": "sk-new"})

    assert models.provider_config(models.route("acme/org/brain")).api_key == "sk-new"


def test_what_callers_may_see_is_part_of_the_entry(admin, acme, context):
    """An admin's list in the cache must not be a member's."""
    admin.patch("/api/models/acme/org/brain", json={"status": "disabled"})
    query = ModelQuery(limit=50)

    seen = [
        [each["id"] for each in models.list_models(query, sees_disabled=sees).value["items"]]
        for sees in (True, False, True)
    ]

    assert seen == [["acme/org/brain", "demo/echo"], ["demo/echo"], ["acme/org/brain", "demo/echo"]]
    assert models.get_model("acme/org/brain", sees_disabled=True).value["status"] == "disabled"
    with pytest.raises(NotFound):
        models.get_model("acme/org/brain", sees_disabled=False)


def test_the_cache_holds_no_secret_in_clear(app, acme, context, admin):
    """Redis may be read by others: the route's entry has the encrypted one only."""
    body = models.find_route("acme/org/brain").body

    assert b"acme/org/brain" in body
    assert b"sk-ours" not in body


def test_a_row_that_goes_with_its_provider_has_no_route(acme, context):
    """Deleting the provider deletes what it offered, whoever does it."""
    models.route("acme/org/brain")

    with unit_of_work() as work:
        work.session.delete(work.session.get_one(CatalogueProvider, "acme"))
        work.invalidates(PROVIDERS.all(), MODELS.all())

    assert models.find_route("acme/org/brain").value is None

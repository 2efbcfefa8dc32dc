"""Providers as services see them: their secrets, and the bounds of what is made."""

import pytest

from cache.namespaces import MODELS, PROVIDERS
from database.tables.models import CatalogueProvider
from schemas.providers import NewProvider
from services import providers
from services.errors import Invalid
from services.unit_of_work import unit_of_work
from tests.doubles.together import together
from tests.factories.models import make_provider

NEW = NewProvider(id="acme", wire_format="openai", base_url="http://127.0.0.1:1/v1")


def test_a_secret_under_a_lost_key_is_said_to_be_unreadable(app, admin):
    """The operator changed LARDER_SECRET_KEY: it must be set anew, and can be."""
    make_provider(admin, NEW.base_url, secret="sk-ours")
    with app.app_context(), unit_of_work() as work:
        work.session.get_one(CatalogueProvider, "acme").encrypted_secret = "of another key"
        work.invalidates(PROVIDERS.all(), MODELS.all())

    answer = admin.post("/api/providers/acme/check")

    assert (answer.status_code, answer.json["code"]) == (503, "provider_secret_unreadable")
    assert "of another key" not in answer.text
    assert admin.patch("/api/providers/acme", json={"secret": "sk-new"}).status_code == 200
    assert admin.post("/api/providers/acme/check").status_code == 200


def _sources(admin):
    listed = admin.get("/api/costs/pricing?model=acme/gpt-4o").json["items"]
    return [(each["source"], each["rates"]["input"]) for each in listed]


def test_a_provider_that_moves_is_priced_as_who_is_paid_then(admin):
    """From the next call on, and not from the next sync; what was set by hand stays."""
    make_provider(admin, "https://api.openai.com/v1", secret=None)
    assert admin.post("/api/models", json={"id": "acme/gpt-4o"}).status_code == 201
    [(source, rate)] = _sources(admin)
    assert source == "genai-prices"

    moved = admin.patch("/api/providers/acme", json={"base_url": NEW.base_url})
    assert moved.status_code == 200, moved.json
    assert _sources(admin) == []

    rates = {"rates": {"input": "7", "output": "8"}}
    assert admin.put("/api/costs/pricing/acme/gpt-4o", json=rates).status_code == 200
    admin.patch("/api/providers/acme", json={"base_url": "https://api.openai.com/v1"})
    assert sorted(_sources(admin)) == [("genai-prices", rate), ("override", "7")]


def test_there_is_an_end_to_providers(app, admin):
    """Nobody's list grows without bound."""
    with app.app_context(), unit_of_work() as work:
        for number in range(providers.MAX_PROVIDERS - 1):  # the demo is one
            providers.add_provider(
                work, NewProvider(id=f"p{number}", wire_format="demo"), origin="api"
            )

    answer = admin.post("/api/providers", json={"id": "one-more", "wire_format": "demo"})

    assert (answer.status_code, answer.json["code"]) == (409, "too_many_providers")


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewProvider(id="x", wire_format="pigeon", base_url="http://a"), "wire_format"),
        (NewProvider(id="x", wire_format="openai"), "base_url"),
    ],
)
def test_a_provider_that_could_not_be_called_is_not_made(app, new, field):
    """Wherever it was declared."""
    with app.app_context(), pytest.raises(Invalid) as refused, unit_of_work() as work:
        providers.add_provider(work, new, origin="file")

    assert list(refused.value.errors) == [field]


def test_of_those_that_are_made_at_once_one_is_there(admin):
    """The id is the provider's name in every model's id."""
    new = {"id": NEW.id, "wire_format": NEW.wire_format, "base_url": NEW.base_url}

    made = together([lambda: admin.post("/api/providers", json=new).status_code] * 4)

    assert sorted(made) == [201, 409, 409, 409]

"""What an operator, a probe and a scraper ask."""

from dataclasses import replace

import pytest

from app import create_app
from database.session import db
from services.startup import prepare
from tests.conftest import ADMIN_KEY

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


def test_a_living_process_says_so(client):
    """A supervisor's probe needs no key and no database."""
    assert client.get("/healthz").json == {"status": "ok"}


@pytest.mark.parametrize(
    "cache_fields", ["memory", pytest.param("redis", marks=pytest.mark.server)], indirect=True
)
def test_readiness_names_the_cache(client, settings):
    """Memory is ready too, and it is said."""
    answer = client.get("/readyz")

    cache = "memory" if settings.cache_backend == "memory" else "redis"
    assert answer.status_code == 200
    assert answer.json == {"status": "ready", "database": "ok", "cache": cache}


def test_figures_are_in_prometheus_format(client, alice):
    """A scraper finds what was read, by route and by namespace."""
    alice.get("/api/folders")
    alice.get("/api/folders")

    text = client.get("/metrics").get_data(as_text=True)

    assert 'larder_http_requests_total{method="GET",route="/api/folders",status="200"} 2.0' in text
    assert 'outcome="hit",resource="folders"' in text


def test_made_up_methods_share_one_label(client):
    """A client cannot make figures grow."""
    client.open("/healthz", method="BREW")

    text = client.get("/metrics").get_data(as_text=True)

    assert "BREW" not in text
    assert 'method="other"' in text


@pytest.fixture
def shielded(settings, clock):
    """An application whose figures need a key."""
    app = create_app(replace(settings, metrics_public=False), clock=clock)
    with app.app_context():
        db.create_all()
        prepare()
    yield app.test_client()
    app.extensions["larder_shutdown"](0.0)


def test_figures_can_be_for_admins_only(shielded):
    """An open port need not show them."""
    assert shielded.get("/metrics").status_code == 401
    assert shielded.get("/metrics", headers=KEY).status_code == 200


def test_the_document_says_whether_figures_need_a_key(shielded, client):
    """As they are set."""
    told = [
        each.get("/api/openapi.json").json["paths"]["/metrics"]["get"]
        for each in (shielded, client)
    ]

    assert [each["security"] for each in told] == [[{"key": []}], []]
    assert "cache:read" in told[0]["description"]


def test_the_document_names_permissions_and_errors(client):
    """Whoever writes a client learns what a call needs and how it fails."""
    document = client.get("/api/openapi.json").json

    listed = document["paths"]["/api/folders"]["get"]
    assert listed["x-permission"] == "conversations:read"
    assert listed["security"] == [{"key": []}]
    refusals = document["components"]["responses"]
    refused = listed["responses"]["4XX"]["$ref"].removeprefix("#/components/responses/")
    assert "application/problem+json" in refusals[refused]["content"]
    completed = document["paths"]["/v1/chat/completions"]["post"]
    refused = completed["responses"]["4XX"]["$ref"].removeprefix("#/components/responses/")
    assert refusals[refused]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/OpenAIError"}}
    }


def test_public_routes_are_described_without_a_key(client):
    """A probe's author sees that none is needed."""
    document = client.get("/api/openapi.json").json

    assert document["paths"]["/healthz"]["get"]["security"] == []

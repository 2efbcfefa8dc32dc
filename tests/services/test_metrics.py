"""Figures for Prometheus: requests by route, the cache's reads, streams."""

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families  # noqa: TID251 (only reads)

from app import create_app
from database.session import db
from services import metrics
from tests.factories.chats import make_conversation, say


@pytest.fixture
def figures(app):
    """All figures by now: name and labels to value."""

    def reading():
        with app.app_context():
            text = metrics.expose().decode()
        families = text_string_to_metric_families(text)
        return {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    return reading


def _requests(method, route, status):
    labels = sorted({"method": method, "route": route, "status": status}.items())
    return ("larder_http_requests_total", *labels)


def test_requests_are_counted_by_route_and_status(app, figures):
    """By route, never by path: ids are without number."""
    with app.app_context():
        metrics.count_request("GET", "/api/folders", 200, 0.01)
        metrics.count_request("GET", "/api/folders", 200, 0.03)
        metrics.count_request("GET", "/api/folders", 404, 0.01)

    found = figures()

    assert found[_requests("GET", "/api/folders", "200")] == 2
    assert found[_requests("GET", "/api/folders", "404")] == 1
    seconds = ("larder_http_request_seconds_sum", ("route", "/api/folders"))
    assert found[seconds] == pytest.approx(0.05)


def test_ids_in_paths_make_no_new_figures(alice, figures):
    """A scraper's memory is finite."""
    alice.get("/api/models/demo/one")
    before = figures()

    alice.get("/api/models/demo/two")
    alice.get("/api/models/demo/three")

    after = figures()
    assert after[_requests("GET", "/api/models/<path:model_id>", "404")] == 3
    http = [{each for each in found if "_http_" in each[0]} for found in (before, after)]
    assert http[0] == http[1]
    assert "demo/one" not in str(after)


def test_answers_are_counted_by_how_they_ended(alice, figures):
    """A dashboard shows failing providers."""
    say(alice, make_conversation(alice), "hello")

    found = figures()
    assert found["larder_streams_total", ("event", "started")] == 1
    assert found["larder_streams_total", ("event", "done")] == 1


def test_no_figure_names_a_person_or_a_key(admin, alice, figures):
    """Scrapers are not trusted with more than counts."""
    alice.get("/api/me")
    say(alice, make_conversation(alice), "hello")

    text = str(figures())

    assert alice.user_id not in text
    assert alice.key not in text


@pytest.mark.parametrize("is_public", [True, False])
def test_whether_figures_are_public_is_a_setting(settings, is_public):
    """Some scrape over the open net."""
    app = create_app(replace(settings, metrics_public=is_public))

    with app.app_context():
        assert metrics.is_public() is is_public
        db.engine.dispose()
    app.extensions["larder_shutdown"](0.0)

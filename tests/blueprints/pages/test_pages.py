"""The dashboard and the reference: no key in them, no foreign script near them."""

import pytest


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_runs_its_own_scripts_only(client, path):
    """A key typed into the page must not reach anybody else."""
    answer = client.get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert b"<script>" not in answer.data
    assert b"//cdn" not in answer.data


@pytest.mark.parametrize("name", ["larder.css", "dashboard.js", "reference.js"])
def test_what_pages_need_is_served_from_here(client, name):
    """An installation without a way to the internet has its pages."""
    with client.get(f"/static/{name}") as answer:
        assert answer.status_code == 200
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_beside_the_static_folder_is_served(client):
    """A path cannot climb out of it."""
    assert client.get("/static/../templates/dashboard.html").status_code == 404
    assert client.get("/static/%2e%2e/templates/dashboard.html").status_code == 404

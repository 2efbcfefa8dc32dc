"""What tests of the services share."""

import pytest

from tests.factories.models import make_provider


@pytest.fixture
def context(app):
    """The application's context, as the engine gives it to its hooks."""
    with app.app_context():
        yield


@pytest.fixture
def acme(admin):
    """A provider that nobody answers for, with a model whose name has slashes."""
    make_provider(admin, "http://127.0.0.1:1/v1", secret="sk-ours")
    admin.post("/api/models", json={"id": "acme/org/brain"})

"""What tests of the services share."""

import pytest

from services import authentication
from tests.factories.costs import make_model, make_price
from tests.factories.models import make_provider
from tests.services.planned_calls import opened, planned


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


@pytest.fixture
def principal(app, alice):
    """Alice, within the application's context."""
    with app.app_context():
        yield authentication.authenticate(alice.key)


@pytest.fixture
def call(app, principal):
    """A call of hers to a model with a price: two dollars in, ten out for a million."""
    make_model(app)
    make_price(app)
    return opened(planned(principal))

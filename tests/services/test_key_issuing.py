"""Keys made at the terminal, as services see them."""

import pytest

from schemas.users import NewUser
from services.errors import Conflict
from services.key_issuing import issue_key


def _issued(app, wanted):
    with app.app_context():
        return issue_key(wanted, "Laptop", has_role=False, scopes=["*"], lifetime=None)


def test_a_user_is_made_once(app):
    """The second key is for the same person."""
    first = _issued(app, NewUser(name="Carol", email="carol@example.com"))
    second = _issued(app, NewUser(name="Caroline", email="carol@example.com"))

    assert second["user"] == first["user"]
    assert second["secret"] != first["secret"]


def test_somebody_inactive_gets_no_key(app, admin, alice):
    """It would open no door, and say nothing of why."""
    admin.patch(f"/api/users/{alice.user_id}", json={"is_active": False})

    with pytest.raises(Conflict, match="not active"):
        _issued(app, NewUser(name="Alice"))

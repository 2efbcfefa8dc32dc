"""Users as services see them."""

import pytest

from schemas.users import NewUser
from services import users
from services.errors import Conflict
from services.unit_of_work import unit_of_work


def test_a_user_made_at_the_terminal_has_no_actor(app, admin):
    """The log says honestly that nobody's key was used."""
    with app.app_context(), unit_of_work() as work:
        user_id = users.add_user(work, None, NewUser(name="Carol")).id

    (logged,) = admin.get("/api/audit-logs", query_string={"subject": user_id}).json["items"]
    assert logged["actor_user_id"] is None


def test_an_email_address_is_one_users(app):
    """Wherever the user is made."""
    new = NewUser(name="Carol", email="carol@example.com")
    with app.app_context(), unit_of_work() as work:
        users.add_user(work, None, new)

    with app.app_context(), pytest.raises(Conflict), unit_of_work() as work:
        users.add_user(work, None, new)

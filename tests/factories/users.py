"""Users with a key."""

from typing import Any

from flask import Flask

from cache.namespaces import USERS
from cache.scopes import EVERYONE, UserId
from database.tables.users import User
from services.keys import add_key
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from tests.doubles.api_client import ApiClient

__all__ = ["make_user"]


def make_user(app: Flask, name: str, *, role: str = "member", **key: Any) -> ApiClient:
    """A user of `role` and a client with their key; `key` are columns of it, such as `scopes`."""
    with app.app_context(), unit_of_work() as work:
        now = runtime().clock.now()
        user = User(name=name, role=role, created_at=now, updated_at=now)
        work.session.add(user)
        work.session.flush()  # the key needs the user's id
        work.invalidates(USERS.of(EVERYONE), USERS.of(UserId(user.id)))
        _, secret = add_key(work, UserId(user.id), f"{name}'s key", **key)
        user_id = user.id
    return ApiClient(app, secret, user_id=user_id)

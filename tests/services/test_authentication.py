"""Whose a key is."""

import pytest

from services import authentication
from services.errors import Unauthenticated


@pytest.mark.parametrize("wrong", ["lk-nobody", "", "lk-" + "x" * 190])
def test_a_wrong_key_is_nobodys(app, wrong):
    """It is refused without a hint of what is wrong."""
    with app.app_context(), pytest.raises(Unauthenticated) as refused:
        authentication.authenticate(wrong)

    assert refused.value.code == "invalid_api_key"


def test_what_a_key_may_do_is_written_in_order(app, admin):
    """A set is in another order in every process, and an audit compares the bytes of two."""
    with app.app_context():
        permissions = authentication.authenticate(admin.key).permissions

    assert list(permissions) == sorted(permissions)
    assert permissions


def test_who_is_behind_a_key_is_told_by_its_id_while_it_is_one(app, alice):
    """For what was made with it, and lasts only as long."""
    made = alice.post("/api/keys", json={"name": "Page"}).json
    with app.app_context():
        before = authentication.principal_behind(made["id"])
    alice.delete(f"/api/keys/{made['id']}")

    with app.app_context():
        assert before is not None
        assert before.user_id == alice.user_id
        assert authentication.principal_behind(made["id"]) is None
        assert authentication.principal_behind("nobody's") is None

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

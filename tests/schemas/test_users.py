"""The shapes of users."""

import pytest
from marshmallow import ValidationError

from schemas.users import NewUser, UserPatchSchema, UserWriteSchema


def test_an_address_is_kept_in_lower_case():
    """Mail knows no case; two spellings are one person."""
    new = UserWriteSchema().load({"name": "Carol", "email": "Carol@Example.COM"})

    assert new == NewUser(name="Carol", email="carol@example.com", role="member")


def test_a_change_holds_what_was_named():
    """What is left out stays, what is null is taken away."""
    assert UserPatchSchema().load({"email": None}).changes == {"email": None}


@pytest.mark.parametrize("flag", [0, 1, "yes"])
def test_a_flag_is_a_boolean(flag):
    """Nothing stands for true but true."""
    with pytest.raises(ValidationError):
        UserPatchSchema().load({"is_active": flag})

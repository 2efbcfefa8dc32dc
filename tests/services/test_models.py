"""Models as services see them."""

import pytest

from schemas.models import ModelQuery
from services import models
from services.errors import NotFound


def test_what_callers_may_see_is_part_of_the_entry(admin, acme, context):
    """An admin's list in the cache must not be a member's."""
    admin.patch("/api/models/acme/org/brain", json={"status": "disabled"})
    query = ModelQuery(limit=50)

    seen = [
        [each["id"] for each in models.list_models(query, sees_disabled=sees).value["items"]]
        for sees in (True, False, True)
    ]

    assert seen == [["acme/org/brain", "demo/echo"], ["demo/echo"], ["acme/org/brain", "demo/echo"]]
    assert models.get_model("acme/org/brain", sees_disabled=True).value["status"] == "disabled"
    with pytest.raises(NotFound):
        models.get_model("acme/org/brain", sees_disabled=False)

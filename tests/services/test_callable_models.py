"""What `/v1` can be asked for."""

import pytest

from services.callable_models import get_callable_model, list_callable_models
from services.errors import NotFound


def _ids():
    return [each["id"] for each in list_callable_models().value["data"]]


def test_the_list_shows_what_can_be_called(admin, acme, context):
    """And follows each change of model and provider."""
    seen = [_ids()]
    admin.patch("/api/models/demo/echo", json={"status": "disabled"})
    seen.append(_ids())
    admin.patch("/api/providers/acme", json={"status": "disabled"})
    seen.append(_ids())

    assert seen == [["acme/org/brain", "demo/echo"], ["acme/org/brain"], []]
    with pytest.raises(NotFound):
        get_callable_model("acme/org/brain")


def test_a_bare_name_is_that_of_the_one_model_that_has_it(acme, context):
    """As a call takes it; the model is named in full."""
    assert get_callable_model("org/brain")["id"] == "acme/org/brain"


def test_an_alias_is_listed_while_one_of_its_models_can_be_called(admin, acme, context):
    """A name that nobody answers to is none."""
    targets = [{"model": each} for each in ("acme/org/brain", "demo/echo")]
    admin.post("/api/models", json={"id": "smart", "kind": "alias", "targets": targets})
    seen = []
    for each in ("acme/org/brain", "demo/echo"):
        admin.patch(f"/api/models/{each}", json={"status": "disabled"})
        seen.append(_ids())

    assert seen == [["smart", "demo/echo"], []]

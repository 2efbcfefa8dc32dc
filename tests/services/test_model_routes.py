"""How models are reached, and what keeps them from being."""

import random

import pytest

from cache.namespaces import MODELS, PROVIDERS
from database.tables.models import CatalogueProvider
from schemas.openai import Untranslatable
from services import model_routes
from services.errors import Invalid, NotFound, Unavailable
from services.model_routes import ModelRoute, Target
from services.unit_of_work import unit_of_work
from tests.factories.models import make_provider

URL = "http://127.0.0.1:1/v1"


def _route(model_id):
    (route,) = model_routes.routes_for(model_id, {}).routes
    return route


def _found(model_id):
    """The one route of a name, if it has one."""
    routing = model_routes.find_routing(model_id).value
    return routing.targets[0].route if routing else None


def test_a_route_says_how_a_model_is_reached(acme, context):
    """The provider's own name for it, the address, and the secret still encrypted."""
    found = _route("acme/org/brain")

    assert (found.provider_id, found.name, found.base_url) == ("acme", "org/brain", URL)
    assert (found.wire_format, found.status) == ("openai", "active")
    assert "sk-ours" not in repr(found)


@pytest.mark.parametrize(
    ("model", "provider", "is_reached"),
    [
        ("active", "active", True),
        ("deprecated", "active", True),
        ("disabled", "active", False),
        ("active", "disabled", False),
    ],
)
def test_what_is_switched_off_has_no_route(admin, acme, context, model, provider, is_reached):
    """From the next call on, though the route was warm."""
    _route("acme/org/brain")
    admin.patch("/api/models/acme/org/brain", json={"status": model})
    admin.patch("/api/providers/acme", json={"status": provider})

    found = _found("acme/org/brain")

    assert (found is not None) is is_reached


def test_a_bare_name_is_the_one_model_that_has_it(admin, acme, context):
    """With two of the name nobody's bill is guessed at; a whole id always counts first."""
    before = _found("org/brain")
    make_provider(admin, URL, provider_id="zeta")
    admin.post("/api/models", json={"id": "zeta/org/brain"})
    twice = _found("org/brain")
    make_provider(admin, URL, provider_id="org")
    admin.post("/api/models", json={"id": "org/brain"})

    whole = _found("org/brain")

    assert before is not None
    assert (before.model_id, twice) == ("acme/org/brain", None)
    assert whole is not None
    assert whole.model_id == "org/brain"


def test_of_two_with_a_name_the_one_in_use_is_meant(admin, acme, context):
    """What is switched off does not make a name ambiguous."""
    admin.post("/api/models", json={"id": "demo/org/brain", "status": "disabled"})

    found = _found("org/brain")

    assert found is not None
    assert found.model_id == "acme/org/brain"


@pytest.mark.parametrize(
    "model_id", ["", "acme", "acme/", "acme/org", "x" * 5000, "%", "ACME/org/brain"]
)
def test_no_such_model_is_a_short_sentence_with_openais_code(acme, context, model_id):
    """Long or odd ids are cut, not echoed."""
    with pytest.raises(NotFound) as refused:
        _route(model_id)

    assert refused.value.code == "model_not_found"
    assert len(refused.value.detail) < 130


def test_a_model_that_was_not_there_is_found_once_it_is(admin, acme, context):
    """That something is missing is not remembered beyond the write that brings it."""
    assert _found("acme/new") is None

    admin.post("/api/models", json={"id": "acme/new"})

    assert _route("acme/new").model_id == "acme/new"


def test_the_cache_holds_no_secret_in_clear(app, acme, context, admin):
    """Redis may be read by others: the route's entry has the encrypted one only."""
    body = model_routes.find_routing("acme/org/brain").body

    assert b"acme/org/brain" in body
    assert b"sk-ours" not in body


def test_a_row_that_goes_with_its_provider_has_no_route(acme, context):
    """Deleting the provider deletes what it offered, whoever does it."""
    _route("acme/org/brain")

    with unit_of_work() as work:
        work.session.delete(work.session.get_one(CatalogueProvider, "acme"))
        work.invalidates(PROVIDERS.all(), MODELS.all())

    assert _found("acme/org/brain") is None


def _alias(admin, *targets, **fields):
    listed = [{"model": f"acme/{name}", "weight": weight} for name, weight in targets]
    made = admin.post(
        "/api/models", json={"id": "smart", "kind": "alias", "targets": listed, **fields}
    )
    assert made.status_code == 201, made.json


@pytest.fixture
def three(admin, acme):
    """Two more models, one of which sees, and one of which says what it cannot."""
    admin.post("/api/models", json={"id": "acme/eyes", "capabilities": ["chat", "vision"]})
    admin.post("/api/models", json={"id": "acme/blind", "capabilities": ["chat", "tools"]})


def _names(model_id, body=None):
    alias_id, routes, _ = model_routes.routes_for(model_id, body or {})
    return alias_id, [each.name for each in routes]


def test_an_alias_is_its_targets_in_their_order(admin, three, context):
    """And says so; one that is switched off is passed over, from the next call on."""
    _alias(admin, ("blind", 1), ("eyes", 1), ("org/brain", 1))
    before = _names("smart")

    admin.patch("/api/models/acme/eyes", json={"status": "disabled"})

    assert before == ("smart", ["blind", "eyes", "org/brain"])
    assert _names("smart") == ("smart", ["blind", "org/brain"])


def test_a_target_that_comes_back_is_meant_again(admin, three, context):
    """A sync may drop a model for a day."""
    _alias(admin, ("blind", 1), ("eyes", 1))
    admin.delete("/api/models/acme/blind")
    without = _names("smart")

    admin.post("/api/models", json={"id": "acme/blind"})

    assert (without[1], _names("smart")[1]) == (["eyes"], ["blind", "eyes"])


def test_an_alias_goes_before_a_bare_name(admin, three, context):
    """It was given on purpose."""
    make_provider(admin, URL, provider_id="zeta")
    admin.post("/api/models", json={"id": "zeta/smart"})
    bare = _names("smart")

    _alias(admin, ("eyes", 1))

    assert (bare, _names("smart")) == ((None, ["smart"]), ("smart", ["eyes"]))


@pytest.mark.parametrize(
    ("body", "able"),
    [
        ({}, ["blind", "eyes", "org/brain"]),
        ({"tools": [{}]}, ["blind", "org/brain"]),
        ({"messages": [{"content": [{"type": "image_url"}]}]}, ["eyes", "org/brain"]),
        ({"messages": [{"content": "image_url"}, None, {"content": [5]}], "tools": []},
         ["blind", "eyes", "org/brain"]),
        ({"tools": [{}], "messages": [{"content": [{"type": "image_url"}]}]}, ["org/brain"]),
    ],
)  # fmt: skip
def test_what_a_request_needs_decides_who_is_asked(admin, three, context, body, able):
    """As far as the catalogue says what a model can do; of one it says nothing of, it may."""
    _alias(admin, ("blind", 1), ("eyes", 1), ("org/brain", 1))

    assert _names("smart", body)[1] == able


def test_an_alias_that_nobody_can_answer_for_says_why(admin, three, context):
    """Nothing that can do it, or nothing in use, are two things."""
    _alias(admin, ("blind", 1))
    with pytest.raises(Invalid) as refused:
        _names("smart", {"messages": [{"content": [{"type": "image_url"}]}]})
    admin.patch("/api/providers/acme", json={"status": "disabled"})

    with pytest.raises(Unavailable) as empty:
        _names("smart")

    assert "vision" in refused.value.errors["model"][0]
    assert empty.value.code == "alias_is_empty"


def test_what_only_one_format_can_say_is_asked_of_models_that_speak_it(admin, three, context):
    """Behind an alias the next one; where there is none, the place in the request is named."""
    own = Untranslatable("tools.0.type", "No.")
    make_provider(admin, URL, provider_id="claude", wire_format="anthropic")
    admin.post("/api/models", json={"id": "claude/opus"})
    _alias(admin, ("blind", 1))
    for name in ("smart", "acme/blind"):
        with pytest.raises(Invalid) as refused:
            model_routes.routes_for(name, {}, own)
        assert refused.value.errors == {"tools.0.type": ["No."]}
    both = [{"model": "acme/blind"}, {"model": "claude/opus"}]
    admin.patch("/api/models/smart", json={"targets": both})

    asked = [model_routes.routes_for(name, {}, own).routes for name in ("smart", "claude/opus")]

    assert [[each.name for each in routes] for routes in asked] == [["opus"], ["opus"]]
    assert _names("smart")[1] == ["blind", "opus"]


def test_a_disabled_alias_is_not_there(admin, three, context):
    """Like a disabled model."""
    _alias(admin, ("blind", 1), status="disabled")

    with pytest.raises(NotFound):
        _names("smart")


def _turn(draws, *weights):
    targets = [
        Target(
            ModelRoute(
                model_id=f"p/{place}", provider_id="p", name=str(place), status="active",
                wire_format="x", base_url="", encrypted_secret=None,
            ),
            weight,
        )
        for place, weight in enumerate(weights)
    ]  # fmt: skip
    numbers = iter(draws)
    routes = model_routes.in_turn(targets, "weighted", lambda: next(numbers))
    return "".join(each.name for each in routes)


@pytest.mark.parametrize(
    ("draws", "weights", "turn"),
    [
        ([0.0, 0.0, 0.0], (1, 2, 1), "012"),
        ([0.25, 0.0, 0.0], (1, 2, 1), "102"),
        ([0.74, 0.6, 0.0], (1, 2, 1), "120"),
        ([0.99, 0.99, 0.99], (1, 2, 1), "210"),
        ([0.99, 0.99, 0.0], (1, 1, 0), "102"),
        ([0.5, 0.5], (0, 1), "10"),
        ([0.9, 0.1, 0.1], (0, 0, 1), "201"),
    ],
)
def test_weights_decide_who_is_asked_first_and_who_follows(draws, weights, turn):
    """Those not drawn follow by their weights; a weight of zero is for the worst case only."""
    assert _turn(draws, *weights) == turn


def test_in_the_long_run_each_gets_its_share():
    """Three calls of four, to a hundredth, over ten thousand."""
    dice = random.Random(7)  # noqa: S311 (the same every time)
    firsts = [_turn([dice.random(), dice.random()], 3, 1)[0] for _ in range(10_000)]

    assert abs(firsts.count("0") / 10_000 - 0.75) < 0.01

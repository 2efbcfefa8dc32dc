"""Aliases over the API: made, changed and refused, and seen wherever models are."""

import pytest

from tests.factories.models import make_provider

SMART = {
    "id": "smart",
    "kind": "alias",
    "targets": [{"model": "acme/big"}, {"model": "acme/small", "weight": 3}],
}


@pytest.fixture
def acme(admin):
    """A provider with two models."""
    make_provider(admin, "http://127.0.0.1:1/v1")
    for name in ("big", "small"):
        assert admin.post("/api/models", json={"id": f"acme/{name}"}).status_code == 201


def _made(admin, **fields):
    return admin.post("/api/models", json={**SMART, **fields})


def _ids(client, **query):
    return [each["id"] for each in client.get("/api/models", query_string=query).json["items"]]


def test_an_alias_is_read_as_a_model_without_a_provider(admin, acme, clock):
    """One list, one shape, for all that can be asked for."""
    made = _made(admin, display_name="The smart one", capabilities=["chat"])

    now = clock.now().isoformat().replace("+00:00", "Z")
    assert made.status_code == 201
    assert made.json == {
        "id": "smart",
        "kind": "alias",
        "provider_id": None,
        "name": "smart",
        "display_name": "The smart one",
        "status": "active",
        "capabilities": ["chat"],
        "context_window": None,
        "max_output_tokens": None,
        "response_cache_ttl_s": None,
        "strategy": "ordered",
        "targets": [{"model": "acme/big", "weight": 1}, {"model": "acme/small", "weight": 3}],
        "origin": "api",
        "created_at": now,
        "updated_at": now,
    }
    assert admin.get("/api/models/smart").json == made.json


def test_aliases_stand_among_the_models_page_by_page(admin, alice, acme):
    """In one order, whatever table they come from; filters know both kinds."""
    _made(admin)
    _made(admin, id="Brave", capabilities=["vision"])
    everything = _ids(admin)
    first = admin.get("/api/models", query_string={"limit": 3}).json
    rest = _ids(admin, limit=3, cursor=first["next_cursor"])

    assert sorted(everything) == ["Brave", "acme/big", "acme/small", "demo/echo", "smart"]
    assert [*(each["id"] for each in first["items"]), *rest] == everything
    assert sorted(_ids(admin, kind="alias")) == ["Brave", "smart"]
    assert _ids(admin, kind="model", provider="acme") == ["acme/big", "acme/small"]
    assert _ids(admin, kind="alias", provider="acme") == []
    assert _ids(admin, capability="vision", q="BRA") == ["Brave"]


def test_a_change_is_seen_at_once_and_a_disabled_one_by_admins_only(admin, alice, acme):
    """As with models: with versions, and with a record of who did it."""
    _made(admin)
    etag = admin.get("/api/models/smart").headers["ETag"]
    change = {"strategy": "weighted", "targets": [{"model": "acme/small"}]}
    changed = admin.patch("/api/models/smart", json=change, headers={"If-Match": etag})
    stale = admin.patch("/api/models/smart", json=change, headers={"If-Match": etag})

    admin.patch("/api/models/smart", json={"status": "disabled"})

    assert (changed.json["strategy"], len(changed.json["targets"])) == ("weighted", 1)
    assert stale.status_code == 412
    assert alice.get("/api/models/smart").status_code == 404
    assert admin.get("/api/models/smart").json["status"] == "disabled"
    actions = [each["action"] for each in admin.get("/api/audit-logs").json["items"]]
    assert actions[:3] == ["alias.changed", "alias.changed", "alias.created"]


def test_a_deleted_one_is_gone(admin, acme):
    """Its targets stay."""
    _made(admin)

    assert admin.delete("/api/models/smart").status_code == 204
    assert admin.get("/api/models/smart").status_code == 404
    assert "acme/big" in _ids(admin)


def test_a_target_that_is_not_there_is_refused_at_its_place(admin, acme):
    """Nothing is made that stands for nothing."""
    refused = _made(admin, targets=[{"model": "acme/big"}, {"model": "acme/none"}])

    assert (refused.status_code, list(refused.json["errors"])) == (422, ["targets.1.model"])
    assert _ids(admin, kind="alias") == []


def test_a_change_must_fit_the_kind(admin, acme):
    """An alias has no limits and no price of its own; a model has no targets."""
    _made(admin)
    changes = [
        ("smart", {"max_output_tokens": 5}),
        ("smart", {"price_override": None}),
        ("smart", {"targets": [{"model": "acme/none"}]}),
        ("acme/big", {"targets": [{"model": "acme/small"}]}),
        ("acme/big", {"strategy": "weighted"}),
    ]

    refused = [admin.patch(f"/api/models/{where}", json=change) for where, change in changes]

    assert {each.status_code for each in refused} == {422}
    assert [next(iter(each.json["errors"])) for each in refused] == [
        "max_output_tokens",
        "price_override",
        "targets.0.model",
        "targets",
        "strategy",
    ]


def test_one_name_is_given_once(admin, alice, acme):
    """And only by those who may write models."""
    _made(admin)

    assert _made(admin).status_code == 409
    assert _made(alice, id="mine").status_code == 403


def test_openais_list_has_them(admin, alice, acme):
    """What can be asked for is shown; the demo and the models besides."""
    _made(admin)

    listed = alice.get("/v1/models").json["data"]

    assert [each["owned_by"] for each in listed if each["id"] == "smart"] == ["larder"]
    assert alice.get("/v1/models/smart").json["id"] == "smart"
    assert [each["id"] for each in listed] == ["smart", "acme/big", "acme/small", "demo/echo"]

"""`/api/costs/pricing` over HTTP."""

from decimal import Decimal

from tests.factories.costs import MODEL, make_model, make_price, make_record

RATES = {"rates": {"input": "1", "output": "1"}}


def test_an_override_is_in_the_next_list_and_the_next_price(app, alice, admin):
    """Set, read, deleted: each seen at once."""
    make_model(app)
    make_price(app)
    before = alice.get(f"/api/costs/pricing?model={MODEL}").json["items"]
    put = admin.put(f"/api/costs/pricing/{MODEL}", json=RATES)
    during = alice.get(f"/api/costs/pricing?model={MODEL}").json["items"]
    cost = make_record(app, alice.user_id)
    deleted = admin.delete(f"/api/costs/pricing/{MODEL}")
    after = alice.get(f"/api/costs/pricing?model={MODEL}").json["items"]

    assert (put.status_code, deleted.status_code) == (200, 204)
    assert [each["source"] for each in during] == ["override", "genai-prices"]
    assert cost == Decimal("1.1")
    assert after == before


def test_a_model_id_may_have_more_slashes_or_escaped_ones(app, admin):
    """Some providers' names have slashes, and some clients escape them."""
    make_model(app, "org/brain-2")

    plain = admin.put("/api/costs/pricing/acme/org/brain-2", json=RATES)
    escaped = admin.delete("/api/costs/pricing/acme%2Forg%2Fbrain-2")

    assert (plain.status_code, escaped.status_code) == (200, 204)


def test_prices_are_set_by_admins_only(app, alice):
    """A member who sets prices sets their own bill."""
    make_model(app)

    assert alice.put(f"/api/costs/pricing/{MODEL}", json=RATES).status_code == 403
    assert alice.delete(f"/api/costs/pricing/{MODEL}").status_code == 403


def test_faults_are_answered_by_name(app, admin):
    """Which field, and why."""
    make_model(app)
    negative = {"rates": {"input": "-1", "output": "1"}}
    answer = admin.put(f"/api/costs/pricing/{MODEL}", json=negative)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["rates.input"]
    assert admin.put("/api/costs/pricing/acme/unknown", json=RATES).status_code == 404
    assert admin.delete(f"/api/costs/pricing/{MODEL}").status_code == 404
    assert admin.put(f"/api/costs/pricing/{MODEL}", json=[]).status_code == 422


def test_a_price_that_somebody_else_has_set_meanwhile_stands(app, admin):
    """`If-Match` names the override that was seen, as at budgets."""
    path = f"/api/costs/pricing/{MODEL}"
    make_model(app)
    seen = {"If-Match": admin.put(path, json=RATES).headers["ETag"]}
    theirs = admin.put(path, json={"rates": {"input": "9", "output": "9"}})
    refused = [admin.put(path, json=RATES, headers=seen), admin.delete(path, headers=seen)]
    now_seen = {"If-Match": theirs.headers["ETag"]}

    assert [each.status_code for each in refused] == [412, 412]
    assert admin.get(f"/api/costs/pricing?model={MODEL}").json["items"] == [theirs.json]
    mended = admin.put(path, json=RATES, headers=now_seen)
    assert mended.status_code == 200
    assert admin.delete(path, headers={"If-Match": mended.headers["ETag"]}).status_code == 204

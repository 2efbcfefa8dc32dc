"""`/api/providers` as clients meet it: secrets go in and never come out."""

import pytest
from sqlalchemy import text

from database.session import db
from tests.doubles.openai_server import KEY, MODELS

PATH = "/api/providers"
SECRET = "plain words that look like no key"
FULL = {"id": "acme", "wire_format": "openai", "base_url": "http://127.0.0.1:1/v1"}


def _made(admin, **fields):
    made = admin.post(PATH, json={**FULL, **fields})
    assert made.status_code == 201, made.json
    return made


def test_a_new_provider_is_in_the_next_list(admin):
    """The promise of the namespace `providers`, on a cache that was warm."""
    admin.get(PATH)
    warm = admin.get(PATH)

    made = _made(admin)
    after = admin.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert after.json["items"] == [made.json, *warm.json["items"]]


def test_a_provider_says_all_of_itself_but_its_secret(admin, clock):
    """Whether there is one may be known."""
    now = clock.now().isoformat().replace("+00:00", "Z")

    made = _made(admin, secret=SECRET)

    assert made.json == {
        **FULL,
        "name": "acme",
        "api_version": None,
        "has_secret": True,
        "status": "active",
        "origin": "api",
        "synced_at": None,
        "sync_error": None,
        "created_at": now,
        "updated_at": now,
        "circuit": {"state": "closed", "opened_at": None, "retry_at": None, "reason": None},
    }
    assert admin.get(f"{PATH}/acme").json == made.json
    assert admin.get(f"{PATH}/acme").headers["ETag"] == made.headers["ETag"]


def test_a_secret_is_nowhere_to_be_seen(app, admin, logged):
    """Not in answers, not in the audit log, not in ours, not in any table as it is."""
    name = {"Idempotency-Key": "once"}
    answers = [
        admin.post(PATH, json={**FULL, "secret": SECRET}, headers=name),
        admin.post(PATH, json={**FULL, "secret": SECRET}, headers=name),
        admin.post(PATH, json={**FULL, "secret": SECRET}),
        admin.patch(f"{PATH}/acme", json={"secret": SECRET, "name": ""}),
        admin.patch(f"{PATH}/acme", json={"secret": SECRET, "name": "Acme"}),
        admin.post(f"{PATH}/acme/sync"),
        admin.post(f"{PATH}/acme/check"),
        admin.get(f"{PATH}/acme"),
        admin.get(PATH),
        admin.get("/api/audit-logs"),
    ]

    statuses = [each.status_code for each in answers]
    assert statuses == [201, 201, 409, 422, 200, 502, 200, 200, 200, 200]
    assert [each for each in answers if SECRET in each.text] == []
    with app.app_context(), db.engine.connect() as connection:
        (stored,) = connection.execute(text("SELECT * FROM providers WHERE id = 'acme'")).all()
        kept = connection.execute(text("SELECT * FROM idempotency_records")).all()
    assert SECRET not in f"{stored} {kept}"
    assert SECRET not in str(logged())


def test_a_stored_secret_is_the_one_that_is_sent(admin, provided):
    """What was encrypted opens the provider's door; a wrong one does not; none is none."""
    path = f"{PATH}/up"
    ways = []
    for secret in (KEY, "sk-wrong", KEY, None):
        has_secret = admin.patch(path, json={"secret": secret}).json["has_secret"]
        ways.append((has_secret, admin.post(f"{path}/check").json["ok"]))

    assert ways == [(True, True), (True, False), (True, True), (False, False)]


def test_a_change_that_does_not_name_the_secret_keeps_it(admin, provided):
    """A renamed provider still works."""
    changed = admin.patch(f"{PATH}/up", json={"name": "Up and away"})

    assert (changed.json["name"], changed.json["has_secret"]) == ("Up and away", True)
    assert admin.post(f"{PATH}/up/check").json["ok"] is True


def test_a_secret_is_not_sent_to_another_host(admin, provided):
    """It never comes out: whoever may change an address could have it sent to their own."""
    path = f"{PATH}/up"
    here = admin.get(path).json["base_url"]
    moves = [
        ({"base_url": FULL["base_url"]}, 422),
        ({"base_url": here.replace("http:", "https:")}, 422),
        ({"base_url": f"{here.upper().replace('HTTP', 'http')}/v2", "name": "Up"}, 200),
        ({"base_url": FULL["base_url"], "secret": "sk-other"}, 200),
        ({"base_url": here, "secret": None}, 200),
        ({"base_url": FULL["base_url"]}, 200),
    ]

    answers = [(admin.patch(path, json=change), status) for change, status in moves]

    assert [each.status_code for each, _ in answers] == [status for _, status in answers]
    assert list(answers[0][0].json["errors"]) == ["secret"]


def test_a_sync_brings_the_providers_models(admin, alice, provided):
    """They are in the next list, without doing anything twice."""
    again = admin.post(f"{PATH}/up/sync")

    listed = alice.get("/api/models", query_string={"provider": "up"}).json["items"]
    assert sorted(each["name"] for each in listed) == sorted(MODELS)
    assert {each["origin"] for each in listed} == {"sync"}
    assert again.json == {
        "provider_id": "up",
        "listed": len(MODELS),
        "added": 0,
        "returned": 0,
        "deprecated": 0,
        "priced": 0,
    }


def test_a_sync_that_fails_is_said_and_noted(admin, clock):
    """An admin sees later what went wrong, and that it went right again."""
    _made(admin)

    failed = admin.post(f"{PATH}/acme/sync")

    assert (failed.status_code, failed.json["code"]) == (502, "provider_unavailable")
    assert failed.json["retryable"] is True
    noted = admin.get(f"{PATH}/acme").json
    assert noted["sync_error"] == "The provider could not be reached."
    assert noted["synced_at"] is None


def test_a_check_says_how_it_went(admin, provided):
    """A failure is an answer: nothing is thrown at the admin who asks."""
    _made(admin)

    good = admin.post(f"{PATH}/up/check")
    bad = admin.post(f"{PATH}/acme/check")

    assert good.json.pop("latency_ms") >= 0
    assert good.json["models"] == len(MODELS)
    assert (good.json["ok"], good.json["code"], good.json["detail"]) == (True, None, None)
    assert bad.status_code == 200
    assert (bad.json["ok"], bad.json["models"]) == (False, None)
    assert bad.json["code"] == "provider_unavailable"
    assert admin.get(f"{PATH}/acme").json["sync_error"] is None


def test_a_disabled_provider_serves_nobody(admin, alice, provided):
    """Its models cannot be called from the next request on, and again when it is back."""
    asked = {"model": "up/echo", "messages": [{"role": "user", "content": "hi"}]}
    statuses = []
    for status in ("active", "disabled", "active"):
        admin.patch(f"{PATH}/up", json={"status": status})
        statuses.append(alice.post("/v1/chat/completions", json=asked).status_code)

    assert statuses == [200, 404, 200]


def test_a_changed_address_is_used_from_the_next_call_on(admin, alice, provided):
    """Routes change with their provider, on a cache that was warm."""
    asked = {"model": "up/echo", "messages": [{"role": "user", "content": "hi"}]}
    first = alice.post("/v1/chat/completions", json=asked)

    admin.patch(f"{PATH}/up", json={"base_url": FULL["base_url"], "secret": KEY})

    assert first.status_code == 200
    assert alice.post("/v1/chat/completions", json=asked).status_code == 502


def test_a_deleted_provider_takes_its_models_along(admin, alice, provided):
    """Nothing that cannot be reached stays in the catalogue."""
    path = "/api/models/up/echo"
    assert alice.get(path).status_code == 200

    assert admin.delete(f"{PATH}/up").status_code == 204

    assert alice.get(path).status_code == 404
    assert admin.get(f"{PATH}/up").status_code == 404
    assert [each["id"] for each in alice.get("/api/models").json["items"]] == ["demo/echo"]


def test_a_change_of_another_version_is_refused(admin):
    """`If-Match` protects what one has not seen."""
    seen = {"If-Match": _made(admin).headers["ETag"]}
    path = f"{PATH}/acme"

    assert admin.patch(path, json={"name": "A"}, headers=seen).status_code == 200
    assert admin.patch(path, json={"name": "B"}, headers=seen).status_code == 412
    assert admin.delete(path, headers=seen).status_code == 412


def test_pages_follow_one_another(admin):
    """Every provider is on exactly one page."""
    _made(admin)
    _made(admin, id="zeta")
    first = admin.get(PATH, query_string={"limit": 2}).json

    second = admin.get(PATH, query_string={"limit": 2, "cursor": first["next_cursor"]}).json

    listed = [each["id"] for each in first["items"] + second["items"]]
    assert listed == ["acme", "demo", "zeta"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("POST", PATH),
        ("GET", f"{PATH}/demo"),
        ("PATCH", f"{PATH}/demo"),
        ("DELETE", f"{PATH}/demo"),
        ("POST", f"{PATH}/demo/sync"),
        ("POST", f"{PATH}/demo/check"),
    ],
)
def test_providers_are_for_admins(alice, method, path):
    """Addresses inside the house are nobody else's."""
    body = {} if method == "GET" else {"json": FULL}

    assert alice.open(method, path, **body).status_code == 403


@pytest.mark.parametrize("path", ["nowhere", "nowhere/sync", "nowhere/check"])
def test_a_provider_that_is_not_there_is_a_404(admin, path):
    """For reads, and for what is done with it."""
    verb = "POST" if "/" in path else "GET"

    assert admin.open(verb, f"{PATH}/{path}").json["code"] == "not_found"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"id": "Acme"}, "id"),
        ({"id": "a/b"}, "id"),
        ({"id": "acme\n"}, "id"),
        ({"wire_format": "pigeon"}, "wire_format"),
        ({"base_url": "ftp://host"}, "base_url"),
        ({"base_url": "http://user:word@host"}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"secret": ""}, "secret"),
        ({"status": "deprecated"}, "status"),
        ({"headers": {}}, "headers"),
        ({"has_secret": True}, "has_secret"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(admin, fields, wrong):
    """Bad input is a 422 that names the field."""
    answer = admin.post(PATH, json={**FULL, **fields})

    assert (answer.status_code, list(answer.json["errors"])) == (422, [wrong])
    assert [each["id"] for each in admin.get(PATH).json["items"]] == ["demo"]


def test_a_base_url_is_needed_where_there_is_something_to_reach(admin):
    """The demo provider is built in."""
    del_url = {"id": "x", "wire_format": "openai"}

    assert list(admin.post(PATH, json=del_url).json["errors"]) == ["base_url"]
    assert admin.post(PATH, json={"id": "x", "wire_format": "demo"}).status_code == 201

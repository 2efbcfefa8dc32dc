"""`/api/models` as clients meet it."""

from urllib.parse import quote

import pytest

PATH = "/api/models"
FULL = {
    "id": "demo/ocean/large:free",
    "display_name": "Ocean",
    "capabilities": ["chat", "vision"],
    "context_window": 128000,
    "max_output_tokens": 4096,
    "response_cache_ttl_s": 3600,
}


def _made(admin, model_id="demo/ocean", **fields):
    made = admin.post(PATH, json={"id": model_id, **fields})
    assert made.status_code == 201, made.json
    return made


def _ids(answer):
    return [each["id"] for each in answer.json["items"]]


def test_a_new_model_is_in_the_next_list(admin, alice):
    """The promise, on a cache that was warm, for another caller than the one who wrote."""
    alice.get(PATH)
    warm = alice.get(PATH)

    made = _made(admin, **{**FULL, "model_id": FULL["id"]})
    after = alice.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert _ids(warm) == ["demo/echo"]
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert after.json["items"][1] == made.json


def test_a_model_made_by_hand_says_all_of_itself(admin, clock):
    """What was left out has its plain meaning."""
    made = _made(admin, **{**FULL, "model_id": FULL["id"]}).json

    now = clock.now().isoformat().replace("+00:00", "Z")
    assert made == {
        **FULL,
        "provider_id": "demo",
        "kind": "model",
        "name": "ocean/large:free",
        "status": "active",
        "strategy": None,
        "targets": None,
        "origin": "api",
        "created_at": now,
        "updated_at": now,
    }
    assert _made(admin, "demo/lake").json["display_name"] == "lake"


@pytest.mark.parametrize(
    "name", ["a/b", "a/b/c:free", "@cf/x", "ü b".replace(" ", "-"), "50%", "x.y"]
)
@pytest.mark.parametrize("safe", ["/", ""])
def test_an_id_is_found_with_its_slashes_as_they_are_or_encoded(admin, alice, name, safe):
    """Clients differ in how they write a slash into a path: %2F is the same."""
    made = _made(admin, f"demo/{name}")

    path = f"{PATH}/{quote(f'demo/{name}', safe=safe)}"

    assert alice.get(path).json == made.json
    assert admin.patch(path, json={"status": "deprecated"}).json["name"] == name
    assert alice.get(path).json["status"] == "deprecated"
    assert admin.delete(path).status_code == 204
    assert alice.get(path).status_code == 404


def test_an_unchanged_model_is_not_sent_twice(admin, alice):
    """The write's answer carries the ETag that reads have too."""
    made = _made(admin)

    again = alice.get(f"{PATH}/demo/ocean", headers={"If-None-Match": made.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["demo/ab", "demo/echo", "up/cd"]),
        ({"status": "active"}, ["demo/ab", "demo/echo"]),
        ({"status": "deprecated"}, ["up/cd"]),
        ({"provider": "up"}, ["up/cd"]),
        ({"provider": "u"}, []),
        ({"capability": "vision"}, ["demo/ab"]),
        ({"capability": "Vision"}, []),
        ({"capability": "vis"}, []),
        ({"capability": "größe"}, ["up/cd"]),
        ({"q": "BRA"}, ["demo/ab"]),
        ({"q": "up/C"}, ["up/cd"]),
        ({"q": "%"}, ["up/cd"]),
        ({"q": "_"}, []),
        ({"q": "", "provider": "up"}, ["up/cd"]),
        ({"q": "ec", "provider": "demo", "capability": "chat"}, ["demo/echo"]),
    ],
)
def test_filters_choose(admin, alice, query, found):
    """Each by itself and all together; percent and underscore are letters like others."""
    up = {"id": "up", "wire_format": "openai", "base_url": "http://127.0.0.1:1/v1"}
    admin.post("/api/providers", json=up)
    _made(admin, "demo/ab", display_name="Zebra", capabilities=["chat", "vision"])
    _made(admin, "up/cd", display_name="100 %", capabilities=["größe"], status="deprecated")

    answer = alice.get(PATH, query_string=query)

    assert _ids(answer) == found


def test_pages_follow_one_another(admin, alice):
    """Every model is on exactly one page, though some came in between."""
    _made(admin, "demo/f")
    first = alice.get(PATH, query_string={"limit": 1}).json
    _made(admin, "demo/a")
    _made(admin, "demo/g")

    after = {"limit": 2, "cursor": first["next_cursor"]}
    second = alice.get(PATH, query_string=after).json
    no_cursor = alice.get(PATH, query_string={"cursor": "made up"})

    assert _ids(alice.get(PATH)) == ["demo/a", "demo/echo", "demo/f", "demo/g"]
    assert [each["id"] for each in first["items"] + second["items"]] == [
        "demo/echo",
        "demo/f",
        "demo/g",
    ]
    assert second["next_cursor"] is None
    assert (no_cursor.status_code, list(no_cursor.json["errors"])) == (422, ["cursor"])


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ({"status": "asleep"}, "status"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"q": "x" * 201}, "q"),
        ({"order": "name"}, "order"),
    ],
)
def test_a_wrong_filter_is_named(alice, query, wrong):
    """A typing error must not look like an empty catalogue."""
    answer = alice.get(PATH, query_string=query)

    assert (answer.status_code, list(answer.json["errors"])) == (422, [wrong])


def test_a_disabled_model_is_for_admins_only(admin, alice):
    """Switched off is not there: in lists, by id, by any filter; and back again."""
    _made(admin)
    alice.get(f"{PATH}/demo/ocean")

    admin.patch(f"{PATH}/demo/ocean", json={"status": "disabled"})

    assert _ids(alice.get(PATH)) == ["demo/echo"]
    assert _ids(alice.get(PATH, query_string={"status": "disabled"})) == []
    assert alice.get(f"{PATH}/demo/ocean").status_code == 404
    assert _ids(admin.get(PATH, query_string={"status": "disabled"})) == ["demo/ocean"]
    assert admin.get(f"{PATH}/demo/ocean").json["status"] == "disabled"
    admin.patch(f"{PATH}/demo/ocean", json={"status": "active"})
    assert alice.get(f"{PATH}/demo/ocean").json["status"] == "active"


def test_a_change_is_seen_by_the_next_read_and_leaves_the_rest(admin, alice, clock):
    """What is not named stays; null takes a limit away."""
    before = _made(admin, **{**FULL, "model_id": FULL["id"]}).json
    path = f"{PATH}/{FULL['id']}"
    alice.get(path)
    clock.advance(60)

    edit = {"display_name": "Sea", "context_window": None, "capabilities": ["chat"]}
    changed = admin.patch(path, json=edit)

    now = clock.now().isoformat().replace("+00:00", "Z")
    assert changed.json == {**before, **edit, "updated_at": now}
    assert alice.get(path).json == changed.json


def test_a_change_of_another_version_is_refused(admin):
    """`If-Match` protects what one has not seen, for changes and deletions."""
    path = f"{PATH}/demo/ocean"
    seen = {"If-Match": _made(admin).headers["ETag"]}

    assert admin.patch(path, json={"status": "deprecated"}, headers=seen).status_code == 200
    late = admin.patch(path, json={"status": "active"}, headers=seen)
    assert (late.status_code, late.json["code"]) == (412, "precondition_failed")
    assert admin.delete(path, headers=seen).status_code == 412
    assert admin.delete(path, headers={"If-Match": "*"}).status_code == 204


def test_a_model_is_there_once(admin):
    """The id is its name."""
    again = admin.post(PATH, json={"id": "demo/echo"})

    assert (again.status_code, again.json["code"]) == (409, "model_exists")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "model_id", ["demo/nothing", "nothing", "demo/echo/x", "demo/" + "x" * 999]
)
def test_a_model_that_is_not_there_is_a_404(admin, method, model_id):
    """With a sentence that does not repeat a long id."""
    body = {"json": {"status": "active"}} if method == "PATCH" else {}

    answer = admin.open(method, f"{PATH}/{model_id}", **body)

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    assert len(answer.json["detail"]) < 150


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", PATH), ("PATCH", f"{PATH}/demo/echo"), ("DELETE", f"{PATH}/demo/echo")],
)
def test_members_read_and_admins_write(alice, method, path):
    """The catalogue is everybody's."""
    answer = alice.open(method, path, json={"id": "demo/mine", "status": "disabled"})

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert _ids(alice.get(PATH)) == ["demo/echo"]


def test_each_change_is_in_the_audit_log(admin):
    """Who switched a model off is asked some day."""
    _made(admin)
    admin.patch(f"{PATH}/demo/ocean", json={"status": "disabled"})
    admin.delete(f"{PATH}/demo/ocean")

    logged = admin.get("/api/audit-logs", query_string={"subject": "demo/ocean"}).json["items"]

    assert [each["action"] for each in logged] == [
        "model.deleted",
        "model.changed",
        "model.created",
    ]
    assert logged[1]["detail"] == {"status": "disabled"}


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"id": "nowhere/x"}, "id"),
        ({"id": "demo"}, "id"),
        ({"id": "demo/"}, "id"),
        ({"id": "demo/a b"}, "id"),
        ({"id": "demo/a\n"}, "id"),
        ({"id": "demo/" + "x" * 236}, "id"),
        ({"id": None}, "id"),
        ({"status": "asleep"}, "status"),
        ({"display_name": ""}, "display_name"),
        ({"capabilities": ["x"] * 51}, "capabilities"),
        ({"capabilities": "chat"}, "capabilities"),
        ({"context_window": 0}, "context_window"),
        ({"max_output_tokens": 10**10}, "max_output_tokens"),
        ({"name": "x"}, "name"),
        ({"origin": "builtin"}, "origin"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(admin, fields, wrong):
    """Bad input is a 422 that names the field."""
    answer = admin.post(PATH, json={"id": "demo/x", **fields})

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [wrong]
    assert _ids(admin.get(PATH)) == ["demo/echo"]

"""`/api/streams` as clients meet it: listed, read on, stopped."""

from datetime import timedelta

import pytest

from tests.doubles.api_client import ApiClient
from tests.factories.chats import events_of, make_conversation, say
from tests.factories.users import make_user
from tests.streams.scripts import wait_until

PATH = "/api/streams"
WORDS = "You said: hello "


@pytest.fixture
def running(alice, provided):
    """An answer of Alice's that has begun and says no more by itself."""
    chat = make_conversation(alice, model="up/stall")
    answer = alice.post(f"/api/conversations/{chat}/messages", json={"content": "hello"})
    assert answer.status_code == 200
    yield answer
    answer.close()


@pytest.fixture
def path(running):
    """Where that answer is read on."""
    return f"{PATH}/{running.headers['X-Larder-Stream-Id']}"


@pytest.fixture
def finished(alice):
    """An answer that was read to its end."""
    return say(alice, make_conversation(alice), "hello")


def _names(body):
    return [name for name, _ in events_of(body)]


def test_a_running_stream_is_listed_to_its_owner(alice, bob, running, path):
    """A page that is opened anew finds what still runs; nobody else does."""
    (listed,) = alice.get(PATH).json["items"]

    start = dict(events_of(next(running.response)))["start"]
    assert f"{PATH}/{listed['id']}" == path
    assert (listed["model"], listed["status"], listed["ended_at"]) == ("up/stall", "running", None)
    assert listed["message_id"] == start["message_id"]
    assert listed["conversation_id"] == start["conversation_id"]
    assert bob.get(PATH).json == {"items": [], "next_cursor": None}


def test_a_stopped_stream_ends_and_what_was_said_is_kept(alice, running, path):
    """Partial text, the call booked, nothing running any more."""
    alice.get(PATH)

    stopped = alice.delete(path)

    events = events_of(running.get_data())
    assert (stopped.status_code, stopped.data) == (204, b"")
    assert events[-1] == (
        "done",
        {"message_id": events[0][1]["message_id"], "finish_reason": "cancelled"},
    )
    assert alice.get(PATH).json["items"] == []
    chat = events[0][1]["conversation_id"]
    kept = alice.get(f"/api/conversations/{chat}/messages").json["items"][-1]
    said = "".join(data["text"] for name, data in events if name == "delta")
    assert (kept["status"], kept["content"]) == ("cancelled", said)
    assert said in {"You ", "You said: "}
    record = alice.get("/api/costs/records").json["items"][0]
    assert (record["status"], record["is_estimated"]) == ("cancelled", True)


def test_a_stream_that_has_ended_cannot_be_stopped(alice, finished):
    """A late stop is told so; it changes nothing."""
    late = alice.delete(f"{PATH}/{finished.headers['X-Larder-Stream-Id']}")

    assert (late.status_code, late.json["code"]) == (409, "stream_ended")


def test_two_readers_of_a_running_stream_get_the_same(alice, running, path):
    """A second window follows live, from where it says, and both hear the end."""
    second = alice.get(path, headers={"Last-Event-ID": "0"})

    alice.delete(path)

    whole = running.get_data()
    assert second.content_type == "text/event-stream; charset=utf-8"
    assert second.headers["X-Accel-Buffering"] == "no"
    assert second.headers["Cache-Control"] == "no-cache"
    assert second.get_data() == whole[whole.index(b"id: 1\n") :]


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({}, b"id: 0\n"),
        ({"query_string": {"after": -1}}, b"id: 0\n"),
        ({"query_string": {"after": 2}}, b"id: 3\n"),
        ({"headers": {"Last-Event-ID": " 2 "}}, b"id: 3\n"),
        ({"headers": {"Last-Event-ID": "2"}, "query_string": {"after": 0}}, b"id: 3\n"),
        ({"headers": {"Last-Event-ID": ""}, "query_string": {"after": 0}}, b"id: 1\n"),
    ],
)
def test_a_stream_is_read_on_from_where_the_client_was(alice, finished, asked, first):
    """An EventSource says it in a header, which counts over the address it reconnects to."""
    path = f"{PATH}/{finished.headers['X-Larder-Stream-Id']}"

    answer = alice.get(path, **asked)

    body = answer.data.removeprefix(b"retry: 2000\n")
    assert body == finished.data[finished.data.index(first) :]


@pytest.mark.parametrize("after", [9999, 14, 2**53])
def test_nothing_more_to_come_is_a_204(alice, finished, after):
    """It tells an EventSource to stop asking."""
    path = f"{PATH}/{finished.headers['X-Larder-Stream-Id']}"
    assert len(_names(finished.data)) == 15

    over = alice.get(path, query_string={"after": after})

    assert (over.status_code, over.data) == (204, b"")


@pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)  # Redis has its own clock
def test_a_stream_whose_log_has_run_out_is_a_204(app, alice, finished, clock, settings):
    """The answer stays in its message; its pieces do not stay for ever."""
    wait_until(lambda: not app.extensions["larder"].streams.running())  # its time begins then
    clock.advance(settings.stream_log_ttl_s + 1)

    over = alice.get(f"{PATH}/{finished.headers['X-Larder-Stream-Id']}")

    assert over.status_code == 204


@pytest.mark.parametrize("header", ["-1", "x", "1.5", "9" * 16, "1, 2"])
def test_an_event_id_that_cannot_be_is_named(alice, finished, header):
    """Not taken for the start: the client would show everything twice."""
    path = f"{PATH}/{finished.headers['X-Larder-Stream-Id']}"

    answer = alice.get(path, headers={"Last-Event-ID": header})

    assert (answer.status_code, list(answer.json["errors"])) == (422, ["Last-Event-ID"])


@pytest.mark.parametrize(
    ("path", "query", "wrong"),
    [
        (f"{PATH}/x", {"after": "-2"}, "after"),
        (f"{PATH}/x", {"after": "soon"}, "after"),
        (f"{PATH}/x", {"from": 0}, "from"),
        (PATH, {"active": "false"}, "active"),
        (PATH, {"active": "perhaps"}, "active"),
        (PATH, {"limit": 0}, "limit"),
        (PATH, {"cursor": "x"}, "cursor"),
    ],
)
def test_a_wrong_parameter_is_named(alice, path, query, wrong):
    """Only running streams are listed, and it is said."""
    answer = alice.get(path, query_string=query)

    assert (answer.status_code, list(answer.json["errors"])) == (422, [wrong])


@pytest.mark.parametrize("active", [{}, {"active": "true"}])
def test_the_list_is_cached_like_others(alice, active):
    """ETag and Cache-Status, with the parameter or without."""
    alice.get(PATH, query_string=active)

    again = alice.get(PATH, query_string=active)

    assert again.headers["Cache-Status"].startswith("larder; hit")
    assert again.headers["ETag"].startswith('"')


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_stream_that_is_not_ones_own_is_not_there(alice, bob, path, method):
    """Knowing an id opens nothing, and stops nothing."""
    assert bob.open(method, path).status_code == 404
    assert bob.open(method, f"{PATH}/nothing").status_code == 404
    assert len(alice.get(PATH).json["items"]) == 1


def test_a_key_without_the_scope_cannot_stop(app, alice, path):
    """A key that was lent for looking looks."""
    scopes = ["streams:read"]
    made = alice.post("/api/keys", json={"name": "Looks", "scopes": scopes}).json
    looking = ApiClient(app, made["secret"])

    assert looking.delete(path).status_code == 403
    assert len(looking.get(PATH).json["items"]) == 1
    assert make_user(app, "Vera", role="viewer").delete(path).status_code == 403


@pytest.fixture
def ticket(alice, path):
    """A ticket to that answer."""
    made = alice.post(f"{path}/tickets")
    assert made.status_code == 201, made.json
    return made.json


def test_a_ticket_reads_its_stream_without_a_key(client, alice, finished):
    """An EventSource can send no header."""
    path = f"{PATH}/{finished.headers['X-Larder-Stream-Id']}"
    ticket = alice.post(f"{path}/tickets").json

    answer = client.get(ticket["path"])

    assert answer.status_code == 200
    assert answer.data == finished.data


def test_a_ticket_opens_one_stream_only(client, alice, ticket):
    """It stands in an address, where others may come to see it."""
    other = say(alice, make_conversation(alice), "else").headers["X-Larder-Stream-Id"]

    answers = [
        client.get(f"{PATH}/{other}?ticket={ticket['ticket']}"),
        client.get(f"{PATH}?ticket={ticket['ticket']}"),
        client.delete(ticket["path"]),
    ]

    assert [each.status_code for each in answers] == [401, 401, 401]


def test_a_ticket_runs_out(client, ticket, clock):
    """It need not last longer than its stream can be read."""
    clock.advance(3600)

    assert client.get(ticket["path"]).json["code"] == "expired_ticket"


@pytest.mark.parametrize("damage", ["", "x", "1.2", "9" * 20 + ".a.b", "²³.a.b", "\u2028.é.x"])
def test_what_is_no_ticket_opens_nothing(client, ticket, path, damage):
    """Made up, cut short or changed, it is refused by name."""
    changed = ticket["ticket"][:-1] + ("0" if ticket["ticket"][-1] != "0" else "1")

    answers = [client.get(path, query_string={"ticket": each}) for each in (damage, changed)]

    assert [each.json["code"] for each in answers] == ["invalid_ticket"] * 2


def test_a_ticket_lasts_no_longer_than_its_key(app, client, admin, alice, path):
    """Whoever revokes a key, or takes a right from it, would not look for its tickets."""
    revoked = alice.post("/api/keys", json={"name": "Page", "scopes": ["streams:read"]}).json
    narrowed = alice.post("/api/keys", json={"name": "Tab", "scopes": ["streams:read"]}).json
    lent = [
        ApiClient(app, each["secret"]).post(f"{path}/tickets").json for each in (revoked, narrowed)
    ]
    own = alice.post(f"{path}/tickets").json
    tickets = [each["path"] for each in (*lent, own)]
    assert [client.get(each).status_code for each in tickets] == [200, 200, 200]

    alice.delete(f"/api/keys/{revoked['id']}")
    alice.patch(f"/api/keys/{narrowed['id']}", json={"scopes": ["models:read"]})
    after_the_keys = [client.get(each).status_code for each in tickets]
    admin.patch(f"/api/users/{alice.user_id}", json={"is_active": False})

    assert after_the_keys == [401, 401, 200]
    assert client.get(tickets[-1]).json["code"] == "invalid_ticket"


def test_a_ticket_lasts_no_longer_than_a_key_that_runs_out(app, client, alice, path, clock):
    """As the key itself."""
    ends_at = (clock.now() + timedelta(seconds=60)).isoformat()
    made = alice.post("/api/keys", json={"name": "Page", "expires_at": ends_at}).json
    ticket = ApiClient(app, made["secret"]).post(f"{path}/tickets").json

    before = client.get(ticket["path"]).status_code
    clock.advance(61)

    assert (before, client.get(ticket["path"]).json["code"]) == (200, "invalid_ticket")


def test_nobody_gets_a_ticket_to_anothers_stream(bob, path):
    """It is not there for them."""
    assert bob.post(f"{path}/tickets").status_code == 404

"""`Idempotency-Key` as clients meet it."""

import pytest
from sqlalchemy import update

from database.tables.platform import IdempotencyRecord
from services.unit_of_work import unit_of_work
from tests.streams.scripts import wait_until

HOUR_S = 3600


def _post(client, path="/api/folders", key="one", **options):
    return client.post(path, headers={"Idempotency-Key": key}, **options)


def _rewrite(app, **columns):
    """Put the only record into another state."""
    with app.app_context(), unit_of_work() as work:
        work.session.execute(update(IdempotencyRecord).values(**columns))


def _names(client):
    return [each["name"] for each in client.get("/api/folders").json["items"]]


def _conversation(client):
    return f"/api/conversations/{client.post('/api/conversations', json={}).json['id']}/messages"


def test_a_repeat_gives_the_first_answer(alice):
    """A client that lost the answer asks again, and makes nothing twice."""
    first = _post(alice, json={"name": "Trips"})
    again = _post(alice, json={"name": "Trips"})

    assert again.status_code == first.status_code == 201
    assert again.data == first.data
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert _names(alice) == ["Trips"]


def test_a_repeat_of_a_new_key_has_its_secret(alice):
    """A lost secret could not be had otherwise; it is kept encrypted for a day."""
    first = _post(alice, "/api/keys", json={"name": "Laptop"})

    assert _post(alice, "/api/keys", json={"name": "Laptop"}).json == first.json


def test_without_a_key_each_request_counts(alice):
    """Two folders of one name are two wishes."""
    alice.post("/api/folders", json={"name": "Trips"})
    alice.post("/api/folders", json={"name": "Trips"})

    assert _names(alice) == ["Trips", "Trips"]


def test_the_same_key_with_another_body_is_refused(alice):
    """It is a mistake of the client's, and silence would hide it."""
    _post(alice, json={"name": "Trips"})

    other = _post(alice, json={"name": "Tours"})

    assert other.status_code == 422
    assert other.json["code"] == "idempotency_key_reused"
    assert list(other.json["errors"]) == ["Idempotency-Key"]
    assert _names(alice) == ["Trips"]


def test_the_same_key_for_another_path_is_refused(alice):
    """Equal bodies do not make equal requests."""
    _post(alice, json={"name": "Lab"})

    assert _post(alice, "/api/workspaces", json={"name": "Lab"}).status_code == 422


def test_keys_of_others_are_others(alice, bob):
    """Nobody gets somebody else's answer by guessing a key."""
    _post(alice, json={"name": "Trips"})

    answer = _post(bob, json={"name": "Trips"})

    assert "Idempotent-Replayed" not in answer.headers
    assert _names(bob) == ["Trips"]


def test_after_a_day_a_key_is_new(alice, clock):
    """For a day, and not for ever."""
    _post(alice, json={"name": "Trips"})
    clock.advance(24 * HOUR_S - 1)
    in_time = _post(alice, json={"name": "Trips"})
    clock.advance(1)

    late = _post(alice, json={"name": "Tours"})

    assert in_time.headers["Idempotent-Replayed"] == "true"
    assert late.status_code == 201
    assert _names(alice) == ["Tours", "Trips"]


def test_a_request_that_failed_can_be_tried_again(alice):
    """Nothing was done: the answer of the first try is not held against the second."""
    body = {"name": "Inner", "parent_id": "nowhere"}
    refused = [_post(alice, json=body).status_code for _ in range(2)]

    mended = _post(alice, json={"name": "Inner"})

    assert refused == [422, 422]
    assert mended.status_code == 201


def test_a_stream_is_joined_again(alice):
    """One answer, one provider call, the same bytes."""
    path = _conversation(alice)
    question = {"content": "hello there", "model": "demo/echo"}
    first = _post(alice, path, json=question)
    told = first.data

    again = _post(alice, path, json=question)

    assert first.mimetype == "text/event-stream"
    assert again.data == told
    assert len(alice.get(path).json["items"]) == 2


@pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
def test_a_stream_whose_log_is_gone_is_said_to_be_over(app, alice, clock):
    """The message can still be read; its events cannot."""
    path = _conversation(alice)
    question = {"content": "hello there", "model": "demo/echo"}
    first = _post(alice, path, json=question)
    told = first.data
    wait_until(lambda: not app.extensions["larder"].streams.running())  # its time begins then
    clock.advance(HOUR_S)

    again = _post(alice, path, json=question)

    assert told
    assert again.status_code == 409
    assert again.json["code"] == "stream_over"
    assert first.headers["X-Larder-Stream-Id"] in again.json["detail"]


def test_a_repeat_while_the_first_runs_is_told_so(app, alice):
    """Doing it twice at the same time is what the key is there to prevent."""
    _post(alice, json={"name": "Trips"})
    _rewrite(app, status=None)

    again = _post(alice, json={"name": "Trips"})

    assert again.status_code == 409
    assert again.json["code"] == "still_running"


def test_an_answer_that_was_not_kept_is_said_to_be(app, alice):
    """It was too large; the client reads what it made."""
    _post(alice, json={"name": "Trips"})
    _rewrite(app, body=None)

    again = _post(alice, json={"name": "Trips"})

    assert again.status_code == 409
    assert again.json["code"] == "answer_not_kept"


def test_openai_clients_can_repeat_too(alice):
    """The header is the same under `/v1`, and so are the chunks."""
    asked = {
        "model": "demo/echo",
        "messages": [{"role": "user", "content": "hello"}],
        "stream": True,
    }
    told = _post(alice, "/v1/chat/completions", json=asked).data

    assert _post(alice, "/v1/chat/completions", json=asked).data == told


@pytest.mark.parametrize("key", ["", "x" * 256, "ä", "a\tb"])
def test_a_key_that_is_none_is_named(alice, key):
    """A key that would not be found again helps nobody."""
    answer = _post(alice, key=key, json={"name": "Trips"})

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["Idempotency-Key"]

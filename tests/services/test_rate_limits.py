"""What one key may do in a minute."""

import pytest

from tests.factories.users import make_user

ASKED = {
    "model": "demo/echo",
    "messages": [{"role": "user", "content": "one two three four five"}],
}


def test_a_key_makes_as_many_requests_as_it_may(app, clock):
    """The next one learns when it may come."""
    client = make_user(app, "Robot", requests_per_minute=2)
    statuses = [client.get("/api/me").status_code for _ in range(3)]

    refused = client.get("/api/me")
    clock.advance(int(refused.headers["Retry-After"]))

    assert statuses == [200, 200, 429]
    assert refused.json["code"] == "rate_limited"
    assert refused.headers["Retry-After"] == "30"
    assert client.get("/api/me").status_code == 200


def test_a_new_limit_holds_from_the_next_request_on(app, admin):
    """Somebody who runs wild is slowed down at once."""
    client = make_user(app, "Robot")
    key_id = client.get("/api/me").get_json()["key"]["id"]

    admin.patch(f"/api/keys/{key_id}", json={"requests_per_minute": 1})

    assert [client.get("/api/me").status_code for _ in range(2)] == [200, 429]


def test_a_key_uses_as_many_tokens_as_it_may(app, clock):
    """What was booked in the last minute counts, in both shapes of the API."""
    client = make_user(app, "Robot", tokens_per_minute=5)
    first = client.post("/v1/chat/completions", json=ASKED)

    refused = client.post("/v1/chat/completions", json=ASKED)
    clock.advance(60)

    assert first.status_code == 200
    assert refused.status_code == 429
    assert refused.json["error"]["code"] == "rate_limited"
    assert int(refused.headers["Retry-After"]) == pytest.approx(60, abs=1)
    assert client.post("/v1/chat/completions", json=ASKED).status_code == 200


def test_another_key_is_not_slowed_down(app, alice):
    """A limit is one key's, not its user's."""
    client = make_user(app, "Robot", requests_per_minute=1)
    client.get("/api/me")

    assert client.get("/api/me").status_code == 429
    assert alice.get("/api/me").status_code == 200

"""Cached responses: validators, revalidation, and what a client may demand (RFC 9110, 9111)."""

import pytest

from blueprints.http.caching import cached_response, uncached

PATH = "/api/folders"


def _state(answer):
    return answer.headers["Cache-Status"]


@pytest.fixture
def seen(alice):
    """Alice's folders, read and in the cache."""
    alice.post(PATH, json={"name": "Trips"})
    return alice.get(PATH)


def test_the_first_read_is_stored_and_the_second_a_hit(alice, seen):
    """With the same bytes, and it is said where they came from (RFC 9211)."""
    again = alice.get(PATH)

    assert "fwd=miss; stored" in _state(seen)
    assert _state(again).startswith("larder; hit; ttl=")
    assert (again.data, again.headers["ETag"]) == (seen.data, seen.headers["ETag"])


def test_nobody_between_keeps_it_without_asking(seen):
    """Whose answer it is depends on the key, and the next write may change it."""
    assert seen.headers["Cache-Control"] == "private, no-cache"
    assert seen.headers["Vary"] == "Authorization, X-Api-Key"
    assert seen.headers["ETag"].startswith('"')


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_who_has_it_already_gets_no_body(alice, seen, form):
    """With the headers that a 304 has to repeat (RFC 9110, 15.4.5)."""
    asked = {"If-None-Match": form.format(seen.headers["ETag"])}

    answer = alice.get(PATH, headers=asked)

    assert (answer.status_code, answer.data) == (304, b"")
    for name in ("ETag", "Vary", "Cache-Control"):
        assert answer.headers[name] == seen.headers[name]


@pytest.mark.parametrize("form", ['"other"', "nonsense", ""])
def test_who_has_something_else_gets_the_answer(alice, seen, form):
    """A validator of another version validates nothing."""
    answer = alice.get(PATH, headers={"If-None-Match": form})

    assert (answer.status_code, answer.data) == (200, seen.data)


def test_a_write_ends_a_validator(alice, seen):
    """The reader who asks again after it gets the new list."""
    alice.post(PATH, json={"name": "Work"})

    answer = alice.get(PATH, headers={"If-None-Match": seen.headers["ETag"]})

    assert answer.status_code == 200
    assert len(answer.json["items"]) == 2


def test_one_readers_validator_opens_nothing_to_another(bob, seen):
    """Not even the fact that Alice's list has not changed."""
    answer = bob.get(PATH, headers={"If-None-Match": seen.headers["ETag"]})

    assert answer.status_code == 200
    assert answer.json["items"] == []


def test_no_cache_reads_anew_and_fills(alice, seen):
    """Whoever doubts an entry replaces it for all."""
    forced = alice.get(PATH, headers={"Cache-Control": "no-cache"})
    after = alice.get(PATH)

    assert "fwd=request; stored" in _state(forced)
    assert _state(after).startswith("larder; hit")


def test_no_store_leaves_the_cache_alone(alice):
    """Neither read from nor written to."""
    answer = alice.get(PATH, headers={"Cache-Control": "no-store"})
    after = alice.get(PATH)

    assert _state(answer) == "larder; fwd=bypass"
    assert "fwd=miss" in _state(after)


def test_a_demand_of_one_request_does_not_outlast_it(alice, seen):
    """Workers serve many, one after another, on one thread."""
    alice.get(PATH, headers={"Cache-Control": "no-store"})

    assert _state(alice.get(PATH)).startswith("larder; hit")


def test_head_is_a_get_without_a_body(alice, seen):
    """A client can ask cheaply what it would get."""
    answer = alice.open("HEAD", PATH)

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["ETag"] == seen.headers["ETag"]


def test_a_view_says_whether_it_is_cached():
    """A walk over all routes wants one word or the other."""
    assert vars(cached_response(lambda: ""))["is_cached"] is True
    assert vars(uncached("it is live")(lambda: ""))["uncached"] == "it is live"

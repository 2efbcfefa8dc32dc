"""The layer that sends hits: what it sends holds, and what it may not answer goes the whole way."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from app import create_app
from cache.extension import cache
from config import Settings
from database.session import db
from tests.factories.users import make_user
from tests.factories.warm_requests import answers, warmed, whole_way

PATH = "/api/folders"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """As in production: hits are not audited, which would have all go the whole way."""
    return replace(settings, cache_audit_share=0.0)


def test_a_hit_does_not_come_to_flask(alice, reached):
    """The second hit of a kind is sent in front; the miss and the first were not."""
    seen = warmed(alice, PATH)
    came = len(reached)

    again = alice.get(PATH)

    assert (came, len(reached)) == (2, 2)
    assert again.data == seen.data
    assert again.headers["Cache-Status"].startswith("larder; hit; ttl=")
    assert again.headers["Cache-Status"].endswith("detail=memory")


def test_the_readers_own_version_is_a_304_in_front(app, alice, reached):
    """With the headers that it has to repeat, and none that goes with a body."""
    known = {"If-None-Match": warmed(alice, PATH).headers["ETag"]}
    came = len(reached)

    in_front = answers(app.wsgi_app, alice.key, [PATH], **known)

    assert len(reached) == came
    assert in_front == answers(whole_way(app), alice.key, [PATH], **known)
    assert in_front[PATH][0] == "304 NOT MODIFIED"


def test_a_304_teaches_the_way_as_well(app, alice, reached):
    """A client that always asks again with its version never sees a 200 after its first."""
    known = {"If-None-Match": alice.get(PATH).headers["ETag"]}
    alice.get(PATH, headers=known)
    came = len(reached)

    whole = answers(app.wsgi_app, alice.key, [PATH])

    assert len(reached) == came
    assert whole == answers(whole_way(app), alice.key, [PATH])


def test_a_write_is_in_the_next_answer(alice):
    """What makes the layer lawful: it asks what is fresh before each answer."""
    warmed(alice, PATH)

    alice.post(PATH, json={"name": "Trips"})

    assert [each["name"] for each in alice.get(PATH).json["items"]] == ["Trips"]
    assert [each["name"] for each in warmed(alice, PATH).json["items"]] == ["Trips"]


def test_a_revoked_key_is_refused_at_once(admin, alice):
    """The key's own scope is among those that the answer rests on."""
    key_id = warmed(alice, "/api/me").json["key"]["id"]

    assert admin.delete(f"/api/keys/{key_id}").status_code == 204

    assert alice.get("/api/me").status_code == 401


def test_a_lost_role_is_lost_at_once(app, admin):
    """What the role allowed was remembered with the answer, and must not outlive it."""
    helper = make_user(app, "Helper", role="admin")
    assert warmed(helper, "/api/users").status_code == 200

    admin.patch(f"/api/users/{helper.user_id}", json={"role": "member"})

    assert helper.get("/api/users").status_code == 403


def test_a_key_runs_out_on_time(app, clock, reached):
    """No write tells of it: the instant is part of what is remembered."""
    ends_at = clock.now().replace(hour=13)
    carol = make_user(app, "Carol", expires_at=ends_at)
    warmed(carol, PATH)
    came = len(reached)

    clock.advance(200)
    in_time = carol.get(PATH)
    clock.advance(3400)

    assert (in_time.status_code, len(reached)) == (200, came)
    assert carol.get(PATH).status_code == 401


def test_what_hangs_on_the_day_ends_with_it(admin, clock, reached):
    """The last thirty days are others tomorrow, though nothing was written."""
    path = "/api/costs/usage"
    warmed(admin, path)
    came = len(reached)

    same_day = admin.get(path).json["from"]
    clock.advance(12 * 3600)

    assert len(reached) == came
    assert admin.get(path).json["from"] > same_day


def test_a_limited_key_has_its_requests_and_no_more(app, reached):
    """Every request passes the gate for itself, and is told in its headers what is left."""
    dave = make_user(app, "Dave", requests_per_minute=5)

    got = [dave.get(PATH) for _ in range(7)]

    assert [each.status_code for each in got] == [200] * 5 + [429] * 2
    left = [each.headers["x-ratelimit-remaining-requests"] for each in got]
    assert left == ["4", "3", "2", "1", "0", "0", "0"]
    assert len(reached) == 7


@pytest.mark.parametrize("demand", ["no-cache", "no-store", "max-age=0, No-Cache"])
def test_a_demand_past_the_cache_goes_the_whole_way(alice, reached, demand):
    """And is done there as ever."""
    warmed(alice, PATH)
    came = len(reached)

    answer = alice.get(PATH, headers={"Cache-Control": demand})

    assert len(reached) == came + 1
    assert "; hit" not in answer.headers["Cache-Status"]


@pytest.mark.parametrize("cache_fields", ["memory"], indirect=True)
def test_what_memory_has_lost_is_asked_for_the_whole_way(app, alice, reached):
    """What is remembered is which entry makes the answer, never the entry itself."""
    warmed(alice, PATH)
    came = len(reached)

    cache.engine_of(app).memory.clear()

    assert "fwd=miss" in alice.get(PATH).headers["Cache-Status"]
    assert len(reached) == came + 1


def test_an_entry_that_expires_ends_its_answers(alice, clock):
    """A TTL is a promise of its own."""
    warmed(alice, PATH)

    clock.advance(301)

    assert "fwd=miss" in alice.get(PATH).headers["Cache-Status"]


def test_one_callers_way_is_nobody_elses(alice, bob):
    """Two keys on one path are two requests, and no key is none."""
    alice.post(PATH, json={"name": "Trips"})
    warmed(alice, PATH)

    assert bob.get(PATH).json["items"] == []
    assert warmed(bob, PATH).json["items"] == []
    assert bob.get(PATH, headers={"Authorization": "Bearer lk-nobody"}).status_code == 401
    assert bob.get(PATH, headers={"Authorization": ""}).status_code == 401


def test_each_origin_gets_its_own_permission(settings):
    """A browser would refuse an answer that names another page."""
    origins = ("https://one.example", "https://two.example")
    app = create_app(replace(settings, cors_origins=origins))
    with app.app_context():
        db.create_all()
    client = make_user(app, "Erin")

    allowed = [
        warmed(client, PATH, Origin=each).headers.get("Access-Control-Allow-Origin")
        for each in (*origins, "https://three.example")
    ]

    app.extensions["larder_shutdown"](0.0)
    assert allowed == [*origins, None]


def test_an_audited_hit_goes_the_whole_way(app, alice, reached):
    """There it is loaded again and compared: the sample is the same as without the layer."""
    warmed(alice, PATH)
    cache.engine_of(app).auditor.share = 1.0
    came = len(reached)

    alice.get(PATH)

    audits = cache.engine_of(app).statistics.snapshot()
    assert len(reached) == came + 1
    assert (audits["audits|permissions|checked"], audits["audits|conversations|checked"]) == (1, 1)


def test_neither_the_key_nor_the_answer_is_remembered(app, alice):
    """A memory dump shows which entries make which answer, and no secret."""
    alice.post(PATH, json={"name": "Trips to remember"})
    warmed(alice, PATH)

    kept = repr(list(app.wsgi_app.plans.items()))

    assert "conversations" in kept
    assert alice.key not in kept
    assert "Trips to remember" not in kept


def test_ways_have_a_budget(app, alice):
    """Whoever asks for a thousand pages costs no more than an eighth of the memory tier."""
    front = app.wsgi_app
    front.plans = type(front.plans)(max_bytes=20_000)

    paths = [f"{PATH}?limit={number}" for number in range(1, 31)]
    answers(app.wsgi_app, alice.key, paths)
    answers(app.wsgi_app, alice.key, paths)

    assert 1 < len(front.plans) < 30
    assert front.plans.size_bytes <= 20_000


@effort(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    headers=st.fixed_dictionaries(
        {},
        optional={
            "Cache-Control": st.sampled_from(["max-age=0", "private", "no-store"]),
            "If-None-Match": st.sampled_from(['"x"', "*", "", 'W/"x"']),
            "If-Modified-Since": st.just("Thu, 01 Jan 2026 00:00:00 GMT"),
            "Range": st.just("bytes=0-9"),
            "Accept": st.sampled_from(["text/html", "application/json", "*/*;q=0"]),
            "Origin": st.sampled_from(["https://one.example", "null"]),
            "X-Forwarded-Host": st.just("evil.example"),
            "X-Api-Key": st.just("lk-somebody"),
            "Host": st.sampled_from(["localhost", "larder.example:8000"]),
            "Connection": st.just("close"),
        },
    ),
    words=st.sampled_from(["", "limit=2", "limit=02", "limit=2&limit=3", "cursor=", "other=1"]),
    written=st.sampled_from([PATH, "/api/nowhere"]),
)
def test_whatever_is_asked_is_answered_alike(app, alice, headers, words, written):
    """Three times in front, then once behind, with writes between: the same but for the tier."""
    path = f"{PATH}?{words}"
    alice.post(written, json={"name": "Another"})
    answers(app.wsgi_app, alice.key, [path], **headers)
    answers(app.wsgi_app, alice.key, [path], **headers)

    in_front = answers(app.wsgi_app, alice.key, [path], **headers)

    assert in_front == answers(whole_way(app), alice.key, [path], **headers)

"""`/api/cache/warm` as admins meet it."""

import pytest

from services.warming_strategies import STRATEGIES
from tests.streams.scripts import wait_until

PATH = "/api/cache/warm"


def _done(admin, job_id):
    return admin.get(f"{PATH}/{job_id}").json["status"] == "done"


def test_all_strategies_are_listed_with_their_last_runs(admin):
    """None has run on the first day."""
    items = admin.get(PATH).json["items"]

    assert [each["strategy"] for each in items] == list(STRATEGIES)
    assert [each["last_run"] for each in items] == [None] * len(STRATEGIES)


@pytest.mark.parametrize("options", [{}, {"json": {}}, {"json": {"strategies": ["all"]}}])
def test_a_job_is_accepted_and_followed(admin, options):
    """Without a choice it runs all; the answer comes before its end."""
    started = admin.post(PATH, **options)
    wait_until(lambda: _done(admin, started.json["job_id"]))

    runs = admin.get(f"{PATH}/{started.json['job_id']}").json["runs"]
    assert started.status_code == 202
    assert [each["strategy"] for each in runs] == list(STRATEGIES)
    assert all(each["done"] == each["total"] and each["error"] is None for each in runs)


def test_a_job_of_one_strategy_is_its_last_run(admin):
    """The list shows what ran and when it ended."""
    job = admin.post(PATH, json={"strategies": ["catalogue"]}).json["job_id"]
    wait_until(lambda: _done(admin, job))

    (listed,) = [each for each in admin.get(PATH).json["items"] if each["last_run"]]
    assert (listed["strategy"], listed["last_run"]["status"]) == ("catalogue", "done")
    assert listed["last_run"]["ended_at"].endswith("Z")


def test_what_was_warmed_is_a_hit(admin, alice):
    """That is what it is for."""
    job = admin.post(PATH, json={"strategies": ["catalogue"]}).json["job_id"]
    wait_until(lambda: _done(admin, job))

    assert "; hit" in alice.get("/api/models").headers["Cache-Status"]


def test_a_repeated_request_starts_one_job(admin):
    """A deployment script may try again."""
    headers = {"Idempotency-Key": "deploy-7"}
    first = admin.post(PATH, json={}, headers=headers)

    again = admin.post(PATH, json={}, headers=headers)

    assert again.json["job_id"] == first.json["job_id"]
    wait_until(lambda: _done(admin, first.json["job_id"]))


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"strategies": ["everything"]}, "strategies"),
        ({"strategies": []}, "strategies"),
        ({"strategy": "prices"}, "strategy"),
    ],
)
def test_a_wrong_choice_is_named(admin, sent, field):
    """And nothing is run instead."""
    answer = admin.post(PATH, json=sent)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]
    assert all(each["last_run"] is None for each in admin.get(PATH).json["items"])


def test_a_job_nobody_started_is_a_404(admin):
    """An id is not guessed at."""
    assert admin.get(f"{PATH}/nothing").status_code == 404


def test_a_member_warms_nothing(alice):
    """It is work that all others wait beside."""
    assert alice.get(PATH).status_code == 403
    assert alice.post(PATH).status_code == 403

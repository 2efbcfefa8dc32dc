"""`/api/audit-logs` as clients meet it."""

import pytest

from tests.factories.audit_logs import make_records

PATH = "/api/audit-logs"


def _actions(answer):
    return [each["action"] for each in answer.json["items"]]


def test_a_new_record_is_in_the_next_list(app, admin):
    """An auditor who reloads sees what was just done."""
    admin.get(PATH)
    warm = admin.get(PATH)

    make_records(app, ["model.deleted"])
    after = admin.get(PATH)

    assert warm.headers["Cache-Status"].startswith("larder; hit")
    assert "fwd=miss" in after.headers["Cache-Status"]
    assert _actions(after)[0] == "model.deleted"


def test_pages_follow_one_another_though_records_are_added(app, admin, clock):
    """A cursor names the last record seen, not a count of rows."""
    for action in ("a.one", "a.two", "a.three"):
        make_records(app, [action])
        clock.advance(1)
    first = admin.get(PATH, query_string={"limit": 2})
    make_records(app, ["a.four"])

    second = admin.get(PATH, query_string={"limit": 2, "cursor": first.json["next_cursor"]})

    assert _actions(first) == ["a.three", "a.two"]
    assert _actions(second) == ["a.one"]
    assert second.json["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"action": "b.two"}, ["b.two"]),
        ({"action": "b"}, []),
        ({"subject_kind": "model", "subject": "demo/echo"}, ["b.two", "b.one"]),
        ({"subject_kind": "folder"}, []),
        ({"actor": "nobody"}, []),
        ({"from": "2026-01-01T12:00:30Z"}, ["b.two"]),
        ({"to": "2026-01-01T12:00:30Z"}, ["b.one"]),
        ({"from": "2026-01-01T14:00:30+02:00"}, ["b.two"]),
    ],
)
def test_a_filter_narrows_the_log_down(app, admin, clock, query, found):
    """Who looks for one thing need not read all."""
    make_records(app, ["b.one"])
    clock.advance(60)
    make_records(app, ["b.two"])

    assert _actions(admin.get(PATH, query_string=query)) == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 10**30}, "limit"),
        ({"cursor": "bm90IGEgY3Vyc29y"}, "cursor"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "to"),
        ({"actor": "\x00"}, "actor"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_asked_is_named(admin, query, field):
    """Bad input is a 422 that names the field."""
    answer = admin.get(PATH, query_string=query)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_the_log_is_closed_to_members(alice):
    """It tells what everybody does."""
    assert alice.get(PATH).status_code == 403

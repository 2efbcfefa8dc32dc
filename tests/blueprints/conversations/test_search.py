"""`/api/conversations/search` as clients meet it."""

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.factories.conversations import make_conversation

PATH = "/api/conversations/search"


@pytest.fixture
def thread(app, alice):
    """A conversation of Alice's about the sea."""
    with app.app_context():
        return make_conversation(alice.user_id, "Sea", ["the <sea> is blue"])


def test_what_is_found_is_shown_with_its_snippets(alice, thread):
    """Safe to be put into a page."""
    found = alice.get(f"{PATH}?q=sea").json["items"]

    assert [each["conversation_id"] for each in found] == [thread]
    assert found[0]["title_snippet"] == "<mark>Sea</mark>"
    assert found[0]["match_count"] == 1
    assert found[0]["messages"][0]["snippet"] == "the &lt;<mark>sea</mark>&gt; is blue"


def test_a_write_is_found_by_the_next_search(alice, thread):
    """On a cache that was warm, as every read."""
    alice.get(f"{PATH}?q=harbour")
    before = alice.get(f"{PATH}?q=harbour")

    alice.patch(f"/api/conversations/{thread}", json={"title": "Harbour"})
    after = alice.get(f"{PATH}?q=harbour")

    assert before.headers["Cache-Status"].startswith("larder; hit")
    assert before.json["items"] == []
    assert [each["title"] for each in after.json["items"]] == ["Harbour"]


def test_nobody_elses_conversations_are_found(bob, thread):
    """Whatever is looked for."""
    assert bob.get(f"{PATH}?q=sea").json["items"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "q"),
        ("q=", "q"),
        ("q=" + "x" * 501, "q"),
        ("q=" + "x" * 10_000, "q"),
        ("q=a%00b", "q"),
        ("q=" + "+".join(f"w{each}" for each in range(40)), "q"),
        ("q=sea&from=yesterday", "from"),
        ("q=sea&from=2026-13-01", "from"),
        ("q=sea&from=2026-01-01T00:00:00", "from"),
        ("q=sea&from=2026-02-01&to=2026-01-01", "to"),
        ("q=sea&cursor=WyJjb252ZXJzYXRpb25zIixbXV0", "cursor"),
        ("q=sea&limit=1000", "limit"),
        ("q=sea&page=2", "page"),
    ],
)
def test_a_wrong_parameter_is_named(alice, query, field):
    """Whoever made it can mend it."""
    answer = alice.get(f"{PATH}?{query}")

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


@pytest.mark.parametrize("range_", ["from=2026-01-01&to=2026-01-02", "from=2026-01-01T12:00:00Z"])
def test_a_range_is_of_days_or_instants(alice, thread, range_):
    """People know days, programs know instants."""
    assert len(alice.get(f"{PATH}?q=sea&{range_}").json["items"]) == 1


@given(st.text(min_size=1, max_size=60))
@hypothesis_settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_typed_there_is_an_answer(alice, thread, query):
    """Quotes, operators, control characters: never a server error."""
    answer = alice.get(PATH, query_string={"q": query.encode("utf-8", "surrogatepass")})

    assert answer.status_code in {200, 422}

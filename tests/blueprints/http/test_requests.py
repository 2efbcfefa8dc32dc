"""What happens around every request."""

import pytest


@pytest.mark.parametrize(
    "path",
    ["/api/costs/budgets/a%00b", "/api/costs/pricing/a%00b", "/api/folders/%00", "/%00"],
)
def test_a_path_with_a_nul_names_nothing(admin, path):
    """PostgreSQL refuses such text: it would come out as our own failure."""
    answer = admin.delete(path)

    assert answer.status_code == 404
    assert answer.json["code"] == "not_found"


def test_a_sane_request_id_is_kept_and_another_replaced(client):
    """Logs on both sides can be laid side by side, and nobody writes into ours."""
    kept = client.get("/healthz", headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"]
    made = client.get("/healthz", headers={"X-Request-Id": 'a b"c' * 40}).headers["X-Request-Id"]

    assert kept == "abc-1"
    assert len(made) == 36

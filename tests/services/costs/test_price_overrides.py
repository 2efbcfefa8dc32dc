"""Prices set by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select

from cache.results import encode_body, etag_of
from cache.scopes import UserId
from database.session import read_session
from database.tables.costs import LedgerRecord
from database.tables.platform import AuditLog
from schemas.costs_pricing import PriceOverride, PriceQuery
from services.costs.price_overrides import delete_overrides, list_prices, override_price
from services.costs.pricing import price_at
from services.errors import NotFound, PreconditionFailed
from services.permissions import ROLES
from services.principal import Principal
from tests.factories.costs import MODEL, make_model, make_price, make_record

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ADMIN = Principal(
    user_id=UserId("u1"),
    key_id="k1",
    permissions=ROLES["admin"],
)


def _override(
    rate: str, effective_from: datetime | None = None, *, if_match: str | None = None
) -> str:
    """Set it; its ETag."""
    new = PriceOverride({"input": rate, "output": rate}, effective_from)
    return etag_of(encode_body(override_price(ADMIN, MODEL, new, if_match=if_match)))


def test_an_override_prices_the_next_call_and_no_booked_one(app):
    """History is not rewritten, and nothing has to be waited for."""
    make_model(app)
    make_price(app)
    before = make_record(app, "u1")
    with app.app_context():
        _override("1")
    after = make_record(app, "u1")

    with app.app_context(), read_session() as session:
        booked = sorted(each or 0 for each in session.scalars(select(LedgerRecord.cost_usd)))
    assert (before, after) == (Decimal(3), Decimal("1.1"))
    assert booked == [Decimal("1.1"), Decimal(3)]


def test_an_override_for_the_same_instant_replaces_the_first(app):
    """A mistyped price is mended by setting it again."""
    make_model(app)
    with app.app_context():
        _override("1", NOW)
        _override("7", NOW)

        prices = list_prices(PriceQuery(model=MODEL)).value["items"]
        quote = price_at(MODEL, NOW)
    assert [each["rates"]["input"] for each in prices] == ["7"]
    assert quote is not None
    assert quote.rates.input == 7


def test_without_its_overrides_a_model_costs_what_was_copied(app):
    """One by one, or all together."""
    make_model(app)
    make_price(app)
    with app.app_context():
        for days in range(3):
            _override("1", NOW + timedelta(days=days))

        delete_overrides(ADMIN, MODEL, NOW)
        left = len(list_prices(PriceQuery(model=MODEL)).value["items"])
        delete_overrides(ADMIN, MODEL)

        prices = list_prices(PriceQuery(model=MODEL)).value["items"]
    assert left == 3
    assert [each["source"] for each in prices] == ["genai-prices"]


def test_what_is_not_there_is_not_found(app):
    """A mistyped model would be priced in vain."""
    make_model(app)
    with app.app_context():
        with pytest.raises(NotFound):
            override_price(ADMIN, "acme/unknown", PriceOverride({"input": "1"}, None))
        with pytest.raises(NotFound):
            override_price(ADMIN, "acme/unknown", PriceOverride({"input": "1"}, None), if_match="*")
        with pytest.raises(NotFound):
            delete_overrides(ADMIN, MODEL)


def test_a_price_takes_over_from_the_override_that_was_seen_only(app):
    """Two who mend the same price must not undo each other's work unseen."""
    make_model(app)
    with app.app_context():
        first = _override("1", NOW)
        second = _override("2", NOW + timedelta(days=1), if_match=first)

        with pytest.raises(PreconditionFailed):
            _override("3", NOW + timedelta(days=2), if_match=first)
        _override("3", NOW + timedelta(days=2), if_match=second)
        _override("4", NOW, if_match=first)
        prices = list_prices(PriceQuery(model=MODEL)).value["items"]
    assert [each["rates"]["input"] for each in prices] == ["3", "2", "4"]


@pytest.mark.parametrize("named", ["*", '"any"'])
def test_where_there_is_no_override_none_was_seen(app, named):
    """Not even `*` names one (RFC 9110, 13.1.1)."""
    make_model(app)
    make_price(app)
    with app.app_context(), pytest.raises(PreconditionFailed):
        _override("1", NOW, if_match=named)


def test_overrides_go_if_each_was_seen(app):
    """One that somebody else set meanwhile must not go with the others."""
    make_model(app)
    with app.app_context():
        seen = [_override("1", NOW), _override("2", NOW + timedelta(days=1))]

        with pytest.raises(PreconditionFailed):
            delete_overrides(ADMIN, MODEL, if_match=seen[0])
        delete_overrides(ADMIN, MODEL, NOW, if_match=seen[0])
        delete_overrides(ADMIN, MODEL, if_match=", ".join(seen))
        assert list_prices(PriceQuery(model=MODEL)).value["items"] == []


def test_who_changed_a_price_is_noted(app):
    """A price moves money: it must be possible to ask who moved it."""
    make_model(app)
    with app.app_context():
        _override("1")
        delete_overrides(ADMIN, MODEL)

        with read_session() as session:
            rows = session.scalars(select(AuditLog).where(AuditLog.subject_id == MODEL)).all()
    assert [(row.action, row.actor_user_id) for row in rows] == [
        ("price.overridden", "u1"),
        ("price.restored", "u1"),
    ]


def test_pages_of_prices_hold_each_once(app):
    """By model, and each model's newest first."""
    make_model(app)
    make_price(app, "acme/a")
    make_price(app)
    with app.app_context():
        _override("1", NOW)
        seen, cursor = [], None
        for _ in range(4):
            page = list_prices(PriceQuery(limit=1, cursor=cursor)).value
            seen += [(each["model_id"], each["source"]) for each in page["items"]]
            cursor = page["next_cursor"]

    assert seen == [
        ("acme/a", "genai-prices"),
        (MODEL, "override"),
        (MODEL, "genai-prices"),
        ("demo/echo", "larder"),
    ]
    assert cursor is None

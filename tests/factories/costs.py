"""Prices and booked calls."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from flask import Flask

from cache.namespaces import MODELS, PROVIDERS
from database.tables.costs import Price
from database.tables.models import CatalogueModel, CatalogueProvider
from providers.protocol import Usage
from services.costs.ledger import ProviderCall, book, priced
from services.costs.pricing import BOOK
from services.costs.rates import EPOCH, Rates
from services.costs.reconcile import rebuild_day
from services.runtime import runtime
from services.unit_of_work import unit_of_work
from telemetry.ids import new_id
from tests.doubles.together import together

__all__ = [
    "MODEL",
    "PROVIDER",
    "book_alone",
    "make_call",
    "make_model",
    "make_price",
    "make_record",
    "rebuild_while_booking",
]

PROVIDER = "acme"
MODEL = "acme/brain-1"


def make_price(
    app: Flask,
    model_id: str = MODEL,
    *,
    source: str = BOOK,
    effective_from: datetime = EPOCH,
    **rates: str,
) -> None:
    """A price of a model; two dollars in and ten out for a million tokens, if not said."""
    written = {"input": "2", "output": "10", **rates}
    with app.app_context(), unit_of_work() as work:
        work.session.add(
            Price(
                model_id=model_id,
                source=source,
                effective_from=effective_from,
                rates=Rates.read(written).written(),
                created_at=runtime().clock.now(),
            )
        )
        work.invalidates(PROVIDERS.all())


def make_model(app: Flask, name: str = "brain-1", *, provider_id: str = PROVIDER) -> None:
    """A model of the catalogue, with its provider."""
    with app.app_context(), unit_of_work() as work:
        now = runtime().clock.now()
        times = {"created_at": now, "updated_at": now}
        if work.session.get(CatalogueProvider, provider_id) is None:
            work.session.add(
                CatalogueProvider(
                    id=provider_id,
                    name=provider_id,
                    wire_format="openai",
                    base_url="http://127.0.0.1:1/v1",
                    origin="api",
                    **times,
                )
            )
            work.session.flush()  # the model refers to it
        work.session.add(
            CatalogueModel(
                id=f"{provider_id}/{name}",
                provider_id=provider_id,
                name=name,
                display_name=name,
                capabilities=[],
                origin="api",
                **times,
            )
        )
        work.invalidates(PROVIDERS.all(), MODELS.all())


def make_call(user_id: str, called_at: datetime, **fields: Any) -> ProviderCall:
    """A call of a million tokens in and a hundred thousand out, as far as `fields` say no more."""
    usual: dict[str, Any] = {
        "call_id": new_id(),
        "key_id": "key-1",
        "workspace_id": None,
        "provider_id": PROVIDER,
        "model_id": MODEL,
        "endpoint": "chat.completions",
        "status": "ok",
        "usage": Usage(1_000_000, 100_000),
        "is_streamed": True,
        "first_token_ms": 120,
        "duration_ms": 900,
    }
    return ProviderCall(**usual | fields, user_id=user_id, called_at=called_at)


def make_record(
    app: Flask, user_id: str, called_at: datetime | None = None, **fields: Any
) -> Decimal | None:
    """A booked call; now, if not said. Gives its cost back."""
    with app.app_context():
        call = make_call(user_id, called_at or runtime().clock.now(), **fields)
        cost_usd: Decimal | None = book_alone(call)["cost_usd"]
        return cost_usd


def book_alone(call: ProviderCall) -> Mapping[str, Any]:
    """The row of a call that is booked in a transaction of its own."""
    owed = priced(call)
    with unit_of_work() as work:
        return book(work, owed)


def rebuild_while_booking(app: Flask, at: datetime) -> int:
    """Repair a day five times while three book calls in it; how many they have booked."""
    each = 15

    def book_some() -> None:
        for _ in range(each):
            make_record(app, "u1", at)

    def rebuild() -> None:
        with app.app_context():
            for _ in range(5):
                rebuild_day(at.date())

    together([rebuild, *[book_some] * 3])
    return 3 * each

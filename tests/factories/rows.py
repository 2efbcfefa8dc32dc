"""Rows written straight into the tables, past services and their rules."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, select

from database.session import Base, read_session, write_session
from database.tables.conversations import Conversation, Message
from database.tables.costs import LedgerRecord
from database.tables.models import CatalogueModel, CatalogueProvider
from database.tables.users import ApiKey, User

__all__ = [
    "NOW",
    "count_rows",
    "delete_row",
    "make_catalogue_model",
    "make_conversation",
    "make_key",
    "make_message",
    "make_provider",
    "make_record",
    "make_user",
    "put",
]

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TIMES: Mapping[str, Any] = {"created_at": NOW, "updated_at": NOW}


def put(*rows: Base) -> None:
    """Write rows, each after the one before it, in one transaction."""
    with write_session() as session:
        for row in rows:
            session.add(row)
            session.flush()
        session.commit()


def delete_row(table: type[Base], **keys: Any) -> None:
    """Delete the rows of these columns, with what hangs on them."""
    with write_session() as session:
        session.execute(delete(table).filter_by(**keys))
        session.commit()


def count_rows(table: type[Base]) -> int:
    """How many rows there are."""
    with read_session() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def make_user(user_id: str = "u1", **columns: Any) -> User:
    """A member, not stored yet."""
    return User(id=user_id, **{"name": "Ann", "role": "member", **TIMES, **columns})


def make_key(key_id: str = "k1", **columns: Any) -> ApiKey:
    """A key of the user `u1`, not stored yet."""
    usual = {"user_id": "u1", "name": "Laptop", "hint": "lk-…abcd", "secret_hash": key_id}
    return ApiKey(id=key_id, **{**usual, "scopes": ["*"], "created_at": NOW, **columns})


def make_conversation(conversation_id: str = "c1", **columns: Any) -> Conversation:
    """A conversation of the user `u1`, not stored yet."""
    usual = {"user_id": "u1", "title": "Trips", "active_at": NOW, **TIMES}
    return Conversation(id=conversation_id, **{**usual, **columns})


def make_message(message_id: str, **columns: Any) -> Message:
    """A message in the conversation `c1` of the user `u1`, not stored yet."""
    usual = {"user_id": "u1", "conversation_id": "c1", "role": "user", "content": "Hello"}
    return Message(id=message_id, **{**usual, "status": "complete", **TIMES, **columns})


def make_provider(provider_id: str = "acme") -> CatalogueProvider:
    """A provider, not stored yet."""
    usual = {"name": "Acme", "wire_format": "openai", "base_url": "http://acme", "origin": "api"}
    return CatalogueProvider(id=provider_id, **usual, **TIMES)


def make_catalogue_model(model_id: str, **columns: Any) -> CatalogueModel:
    """A model of the provider in its id, not stored yet."""
    provider_id, _, name = model_id.partition("/")
    usual = {"provider_id": provider_id, "name": name, "display_name": name, "capabilities": []}
    return CatalogueModel(id=model_id, **{**usual, "origin": "api", **TIMES, **columns})


def make_record(call_id: str, **columns: Any) -> LedgerRecord:
    """A booked call, not stored yet."""
    tokens = dict.fromkeys(
        (
            "input_tokens",
            "output_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "input_audio_tokens",
            "output_audio_tokens",
            "duration_ms",
        ),
        1,
    )
    usual = {
        "user_id": "u1",
        "key_id": "k1",
        "provider_id": "acme",
        "model_id": "acme/brain",
        "endpoint": "api",
        "status": "complete",
        "is_estimated": False,
        "is_streamed": True,
        "called_at": NOW,
        "booked_at": NOW,
    }
    return LedgerRecord(call_id=call_id, **{**usual, **tokens, **columns})

"""`/api/conversations`: conversations themselves."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.conversations import (
    ConversationEdit,
    ConversationPageSchema,
    ConversationPatchSchema,
    ConversationQuery,
    ConversationQuerySchema,
    ConversationSchema,
    ConversationWriteSchema,
    NewConversation,
)
from services.conversations import threads
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("conversations", "/api/conversations", "Conversations.")


@routes.get("")
@require("conversations:read")
@query(ConversationQuerySchema)
@returns(ConversationPageSchema)
@cached_response
def list_conversations(
    principal: Principal, asked: ConversationQuery
) -> CachedResult[dict[str, Any]]:
    """List conversations, the last active first."""
    return threads.list_conversations(principal.user_id, asked)


@routes.post("")
@require("conversations:write")
@idempotent()
@body(ConversationWriteSchema, required=False)
@returns(ConversationSchema, 201)
def create_conversation(principal: Principal, new: NewConversation) -> dict[str, Any]:
    """Make a conversation."""
    return threads.create_conversation(principal.user_id, new)


@routes.get("/<conversation_id>")
@require("conversations:read")
@returns(ConversationSchema)
@cached_response
def get_conversation(principal: Principal, conversation_id: str) -> CachedResult[dict[str, Any]]:
    """Read one conversation."""
    return threads.get_conversation(principal.user_id, conversation_id)


@routes.patch("/<conversation_id>")
@require("conversations:write")
@body(ConversationPatchSchema)
@returns(ConversationSchema)
@takes(IF_MATCH)
def edit_conversation(
    principal: Principal, edit: ConversationEdit, conversation_id: str, if_match: str | None
) -> dict[str, Any]:
    """Rename, file, pin or archive a conversation."""
    return threads.edit_conversation(principal.user_id, conversation_id, edit, if_match=if_match)


@routes.delete("/<conversation_id>")
@require("conversations:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_conversation(principal: Principal, conversation_id: str, if_match: str | None) -> None:
    """Delete a conversation with its messages."""
    threads.delete_conversation(principal.user_id, conversation_id, if_match=if_match)

"""`/api/conversations/{id}/messages`: the tree of messages, and edits as branches."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.messages import (
    MessageEdit,
    MessagePageSchema,
    MessagePatchSchema,
    MessageQuery,
    MessageQuerySchema,
    MessageSchema,
)
from services.conversations import messages
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("messages", "/api/conversations", "Messages of a conversation.")


@routes.get("/<conversation_id>/messages")
@require("conversations:read")
@query(MessageQuerySchema)
@returns(MessagePageSchema)
@cached_response
def list_messages(
    principal: Principal, asked: MessageQuery, conversation_id: str
) -> CachedResult[dict[str, Any]]:
    """List the tree's messages, or those of one branch."""
    if asked.leaf_id is not None:
        return messages.branch(principal.user_id, conversation_id, asked.leaf_id)
    return messages.list_messages(principal.user_id, conversation_id, asked)


@routes.patch("/<conversation_id>/messages/<message_id>")
@require("conversations:write")
@body(MessagePatchSchema)
@returns(MessageSchema, 201)
@takes(IF_MATCH)
def edit_message(
    principal: Principal,
    edit: MessageEdit,
    conversation_id: str,
    message_id: str,
    if_match: str | None,
) -> dict[str, Any]:
    """Say a message anew, as a sibling branch."""
    return messages.edit_message(
        principal.user_id, conversation_id, message_id, edit, if_match=if_match
    )

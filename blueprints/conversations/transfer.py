"""`/api/conversations/…/export` and `/api/conversations/import`."""

from typing import Any

from flask import Response

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, json_response, large_body, query, returns
from blueprints.http.caching import uncached
from blueprints.http.downloads import attachment
from blueprints.http.idempotency import idempotent
from schemas.conversations import ConversationPageSchema
from schemas.transfer import ConversationImport, ExportQuerySchema, ExportSchema, ImportSchema
from services.conversations import transfer
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("transfer", "/api/conversations", "Exporting and importing conversations.")

NAME_CHARS = 80


@routes.get("/<conversation_id>/export")
@require("conversations:read")
@uncached("an export is made for one download")
@query(ExportQuerySchema)
@returns(
    ExportSchema,
    description="The conversation as JSON, or as Markdown to read.",
    also="text/markdown",
)
def export_conversation(
    principal: Principal, asked: dict[str, str], conversation_id: str
) -> Response:
    """Download a conversation with all its messages, or its open branch as Markdown."""
    if asked["format"] == "markdown":
        text = transfer.export_markdown(principal.user_id, conversation_id)
        title = text.partition("\n")[0].removeprefix("# ")
        return _download(Response(text, content_type="text/markdown; charset=utf-8"), title, "md")
    exported = transfer.export_conversation(principal.user_id, conversation_id)
    return _download(json_response(exported), exported["title"], "json")


@routes.post("/import")
@require("conversations:write")
@large_body(transfer.max_import_bytes)
@idempotent()
@body(ImportSchema)
@returns(ConversationPageSchema, 201)
def import_conversations(principal: Principal, given: ConversationImport) -> dict[str, Any]:
    """Store exported conversations, ours or ChatGPT's: all of them or none."""
    return transfer.import_conversations(principal.user_id, given)


def _download(response: Response, title: str, ending: str) -> Response:
    words = "".join(char if char.isalnum() or char in " -_" else " " for char in title)
    name = " ".join(words.split())[:NAME_CHARS].strip() or "conversation"
    response.headers["Content-Disposition"] = attachment(f"{name}.{ending}")
    response.headers["Cache-Control"] = "private, no-store"
    return response

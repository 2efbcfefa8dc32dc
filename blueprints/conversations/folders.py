"""`/api/folders`: the tree that conversations are kept in."""

from typing import Any

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, body, query, returns
from blueprints.http.caching import cached_response
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.folders import (
    FolderDeleteQuerySchema,
    FolderEdit,
    FolderPageSchema,
    FolderPatchSchema,
    FolderSchema,
    FolderWriteSchema,
    NewFolder,
)
from schemas.page import PageQuerySchema
from services.conversations import folders
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("folders", "/api/folders", "Folders of conversations.")


@routes.get("")
@require("conversations:read")
@query(PageQuerySchema)
@returns(FolderPageSchema)
@cached_response
def list_folders(principal: Principal, page: dict[str, Any]) -> CachedResult[dict[str, Any]]:
    """List folders by name, with the folder that each is in."""
    return folders.list_folders(principal.user_id, page["limit"], page["cursor"])


@routes.post("")
@require("conversations:write")
@idempotent()
@body(FolderWriteSchema)
@returns(FolderSchema, 201)
def create_folder(principal: Principal, new: NewFolder) -> dict[str, Any]:
    """Make a folder."""
    return folders.create_folder(principal.user_id, new)


@routes.patch("/<folder_id>")
@require("conversations:write")
@body(FolderPatchSchema)
@returns(FolderSchema)
@takes(IF_MATCH)
def edit_folder(
    principal: Principal, edit: FolderEdit, folder_id: str, if_match: str | None
) -> dict[str, Any]:
    """Rename or move a folder."""
    return folders.edit_folder(principal.user_id, folder_id, edit, if_match=if_match)


@routes.delete("/<folder_id>")
@require("conversations:write")
@query(FolderDeleteQuerySchema)
@returns(status=204)
@takes(IF_MATCH)
def delete_folder(
    principal: Principal, asked: dict[str, str], folder_id: str, if_match: str | None
) -> None:
    """Delete a folder; its conversations are unfiled or deleted."""
    folders.delete_folder(
        principal.user_id, folder_id, contents=asked["contents"], if_match=if_match
    )

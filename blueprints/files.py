"""`/api/files`: files of the caller, sent as a form, given back as a download."""

from typing import Any

from flask import Response
from werkzeug.datastructures import FileStorage
from werkzeug.http import parse_etags

from blueprints.http.auth import require
from blueprints.http.bodies import Routes, query, returns, upload
from blueprints.http.caching import IF_NONE_MATCH, TAGGED, cached_response, uncached
from blueprints.http.downloads import attachment
from blueprints.http.idempotency import idempotent
from blueprints.http.notes import IF_MATCH, takes
from cache.results import CachedResult
from schemas.files import FileSchema, FilesSchema, FileUploadSchema, NewFile
from schemas.page import PageQuerySchema
from services import files
from services.principal import Principal

__all__ = ["routes"]

routes = Routes("files", "/api/files", "Files.")


@routes.get("")
@require("files:read")
@query(PageQuerySchema)
@returns(FilesSchema)
@cached_response
def list_files(principal: Principal, asked: dict[str, Any]) -> CachedResult[dict[str, Any]]:
    """List the caller's files, the newest first."""
    return files.list_files(principal.user_id, **asked)


@routes.post("")
@require("files:write")
@upload(FileUploadSchema, max_bytes=files.max_upload_bytes)
@idempotent()
@returns(FileSchema, 201)
def create_file(principal: Principal, form: dict[str, FileStorage]) -> dict[str, Any]:
    """Keep a file, sent as the part `file` of a form."""
    sent = form["file"]
    new = NewFile(sent.filename or "", sent.mimetype.lower(), sent.stream.read())
    return files.create_file(principal.user_id, new)


@routes.get("/<file_id>")
@require("files:read")
@returns(FileSchema)
@cached_response
def get_file(principal: Principal, file_id: str) -> CachedResult[dict[str, Any]]:
    """Show a file, without its content."""
    return files.get_file(principal.user_id, file_id)


@routes.get("/<file_id>/content")
@uncached("a file's bytes are kept once, in its table")
@require("files:read")
@returns(media_type="*/*", description="The file as a download, in its own media type.")
@takes(IF_NONE_MATCH, responses=TAGGED)
def get_content(principal: Principal, file_id: str, if_none_match: str | None) -> Response:
    """Download a file."""
    known = files.get_file(principal.user_id, file_id).value
    if known["sha256"] in parse_etags(if_none_match):
        unchanged = Response(status=304, content_type=known["media_type"])
        return _as_download(unchanged, known["name"], known["sha256"])
    file = files.read_content(principal.user_id, file_id)
    response = Response(file.content, content_type=file.media_type)
    return _as_download(response, file.name, file.sha256)


@routes.delete("/<file_id>")
@require("files:write")
@returns(status=204)
@takes(IF_MATCH)
def delete_file(principal: Principal, file_id: str, if_match: str | None) -> None:
    """Delete a file."""
    files.delete_file(principal.user_id, file_id, if_match=if_match)


def _as_download(response: Response, name: str, etag: str) -> Response:
    """Headers with which a browser saves what somebody uploaded, and never runs it."""
    response.headers["Content-Disposition"] = attachment(name)
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Authorization, X-Api-Key"
    response.set_etag(etag)
    return response

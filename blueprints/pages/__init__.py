"""Pages for people: the dashboard and the reference of the API. No line of script is inline."""

from pathlib import Path

from flask import Blueprint, Response, make_response, render_template, send_from_directory

from blueprints.http.auth import public

__all__ = ["pages"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

STATIC = Path(__file__).with_name("static")

pages = Blueprint("pages", __name__, template_folder="templates")


@pages.get("/")
@public
def dashboard() -> Response:
    """Show how the cache, the models and the costs stand; figures need a key."""
    return _page("dashboard.html")


@pages.get("/docs")
@public
def reference() -> Response:
    """Show the API, from its OpenAPI document."""
    return _page("reference.html")


@pages.get("/static/<path:filename>")
@public
def static(filename: str) -> Response:
    """Send a script or a style sheet."""
    return send_from_directory(STATIC, filename)


def _page(template: str) -> Response:
    response = make_response(render_template(template))
    response.headers["Content-Security-Policy"] = POLICY
    return response

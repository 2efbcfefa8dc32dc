"""A client that sends its own key, as a person's program would."""

from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

__all__ = ["ApiClient"]


class ApiClient:
    """A test client of `app` behind one API key."""

    def __init__(self, app: Flask, key: str, *, user_id: str = "") -> None:
        self.key = key
        self.user_id = user_id
        self._client: FlaskClient = app.test_client()

    def open(self, method: str, path: str, **options: Any) -> TestResponse:
        """Send one request; `json=`, `query_string=`, `headers=` as werkzeug's client has them."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return self._client.open(path, method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        """Send a GET."""
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        """Send a POST."""
        return self.open("POST", path, **options)

    def put(self, path: str, **options: Any) -> TestResponse:
        """Send a PUT."""
        return self.open("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> TestResponse:
        """Send a PATCH."""
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        """Send a DELETE."""
        return self.open("DELETE", path, **options)

"""A client that sends its own key, as a person's program would."""

from typing import Any, cast

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

__all__ = ["Answer", "ApiClient"]


class Answer(TestResponse):
    """A response whose JSON is whatever the test knows it to be."""

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return self.get_json()


class ApiClient:
    """A test client of `app` behind one API key."""

    def __init__(self, app: Flask, key: str, *, user_id: str = "") -> None:
        self.key = key
        self.user_id = user_id
        self._client: FlaskClient = app.test_client()

    def open(self, method: str, path: str, **options: Any) -> Answer:
        """Send one request; `json=`, `query_string=`, `headers=` as werkzeug's client has them."""
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return cast("Answer", self._client.open(path, method=method, headers=headers, **options))

    def get(self, path: str, **options: Any) -> Answer:
        """Send a GET."""
        return self.open("GET", path, **options)

    def post(self, path: str, **options: Any) -> Answer:
        """Send a POST."""
        return self.open("POST", path, **options)

    def put(self, path: str, **options: Any) -> Answer:
        """Send a PUT."""
        return self.open("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Answer:
        """Send a PATCH."""
        return self.open("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Answer:
        """Send a DELETE."""
        return self.open("DELETE", path, **options)

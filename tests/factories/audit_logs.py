"""Records of the audit log."""

from collections.abc import Sequence
from typing import Any

from flask import Flask

from services import audit_logs
from services.unit_of_work import unit_of_work

__all__ = ["make_records"]


def make_records(app: Flask, actions: Sequence[str], **detail: Any) -> None:
    """One record for each of `actions`, about model `demo/echo`, by nobody, in this order."""
    with app.app_context():
        for action in actions:
            with unit_of_work() as work:
                audit_logs.record(work, None, action, "model", "demo/echo", detail)

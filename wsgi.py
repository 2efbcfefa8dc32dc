"""What gunicorn and the `flask` command load."""

from app import create_app

__all__ = ["app"]

app = create_app()

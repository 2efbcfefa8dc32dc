"""What gunicorn and the `flask` command load. What stops a start is one sentence, no traceback."""

import sys

from app import create_app
from cache.settings import CacheUnreachable
from config import SettingsError

__all__ = ["app"]

try:
    app = create_app()
except (SettingsError, CacheUnreachable) as fault:
    sys.exit(f"Larder cannot start: {fault}")

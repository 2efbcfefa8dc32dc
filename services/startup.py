"""What is done once when a server starts: the first admin, the declared providers.

Several workers, or several machines, may do it at once: each step is harmless to repeat.
"""

from services.installation import ensure_admin
from services.registration import register_providers

__all__ = ["prepare"]


def prepare() -> str | None:
    """Make the installation ready to serve.

    Returns:
        The secret of a first admin key that was made up here, to be shown once; else `None`.

    Raises:
        SettingsError: the providers' TOML file cannot be read.
    """
    secret = ensure_admin()
    register_providers()
    return secret

"""Secrets at rest: encryption of provider keys, keyed hashes of API keys.

Every use derives its own key from `LARDER_SECRET_KEY` (HKDF, RFC 5869), so that one leak does not
open the others.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["SecretBox", "SecretUnreadable", "new_api_key"]

API_KEY_PREFIX = "lk-"
OPENED = 256
"""How many secrets are kept as they were decrypted."""


class SecretUnreadable(Exception):
    """A stored secret was encrypted under a key that is not at hand."""


def new_api_key() -> str:
    """A new API key: 256 random bits behind a prefix that secret scanners can look for."""
    return API_KEY_PREFIX + secrets.token_urlsafe(32)


def _derived(master: str, purpose: str) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=f"larder/{purpose}".encode())
    return kdf.derive(master.encode())


class SecretBox:
    """Encrypts and hashes under keys derived from the installation's secret."""

    def __init__(self, master: str, before: str = "") -> None:
        masters = [master, before] if before else [master]
        self._fernet = MultiFernet(
            [Fernet(urlsafe_b64encode(_derived(each, "provider-secrets"))) for each in masters]
        )
        # Each call to a provider asks anew, and the adapters hold the same secrets in the clear.
        self._opened = lru_cache(maxsize=OPENED)(self._open)
        self._peppers = tuple(_derived(each, "api-keys") for each in masters)
        self._ticket_keys = tuple(_derived(each, "stream-tickets") for each in masters)
        self._cache_keys = tuple(_derived(each, "cache-entries") for each in masters)

    @property
    def cache_keys(self) -> tuple[bytes, ...]:
        """The keys that sign cache entries: the first writes, all are read."""
        return self._cache_keys

    def encrypt(self, secret: str) -> str:
        """`secret` as text that only this installation can read."""
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, token: str) -> str:
        """The secret again.

        Raises:
            SecretUnreadable: it was written under another key.
        """
        return self._opened(token)

    def _open(self, token: str) -> str:
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken as fault:
            raise SecretUnreadable("a stored secret does not fit LARDER_SECRET_KEY") from fault

    def sign_ticket(self, words: str) -> str:
        """The signature that makes `words` a ticket, 64 hex digits."""
        return _signature(self._ticket_keys[0], words)

    def is_ticket(self, words: str, signature: str) -> bool:
        """Whether this installation signed `words`, now or before a rotation."""
        return any(
            hmac.compare_digest(_signature(each, words).encode(), signature.encode())
            for each in self._ticket_keys
        )

    def hash_api_key(self, key: str) -> str:
        """The keyed hash an API key is kept as, 64 hex digits.

        A fast hash is right for 256 random bits; the pepper keeps a copied table useless.
        """
        return self.api_key_hashes(key)[0]

    def api_key_hashes(self, key: str) -> tuple[str, ...]:
        """The hashes an API key is looked up by: as it is kept now, and before a rotation."""
        return tuple(_signature(each, key) for each in self._peppers)


def _signature(key: bytes, words: str) -> str:
    return hmac.new(key, words.encode(), hashlib.sha256).hexdigest()

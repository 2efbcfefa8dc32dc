"""Every setting of Larder: its variable, default and unit.

What is needed before there is an application, `gunicorn.conf.py` reads; nothing else does.

`Settings.from_env` reports all faults at once, by name, so that an operator mends them in one go.
"""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["CACHE_BACKENDS", "Settings", "SettingsError"]

CACHE_BACKENDS = ("auto", "redis", "memory")
REDIS_SCHEMES = tuple(f"redis{s}{way}" for way in ("", "+sentinel", "+cluster") for s in ("", "s"))
ROOT = Path(__file__).resolve().parent
TTL_PREFIX = "CACHE_TTL_"
SHARABLE = r"[a-z0-9][a-z0-9_-]{0,59}"


class SettingsError(ValueError):
    """One or more variables are wrong; the message names each with what is allowed."""


def _flag(value: str) -> bool:
    lowered = value.strip().lower()
    if lowered in {"1", "true", "yes", "on"}:
        return True
    if lowered in {"0", "false", "no", "off"}:
        return False
    raise ValueError("must be one of true, false, yes, no, on, off, 1, 0")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return number

    return read


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"must be seconds from {low:g} to {high:g}")
        return number

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return value

    return read


def _redis_url(value: str) -> str:
    if urlsplit(value).scheme not in REDIS_SCHEMES:
        raise ValueError("must begin with " + ", ".join(f"{s}://" for s in REDIS_SCHEMES))
    return value


def _proxy_url(value: str) -> str:
    parts = urlsplit(value)
    with suppress(ValueError):  # of the port; its text may be a part of a password
        if parts.scheme == "http" and parts.hostname and parts.port != 0:
            return value
    raise ValueError("must be http://[user:password@]host:port, percent-encoded")


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _shared_names(value: str) -> tuple[str, ...]:
    names = _words(value)
    if not all(re.fullmatch(SHARABLE, name) for name in names):
        raise ValueError("must be names of 1 to 60 of a-z, 0-9, - and _, by comma")
    return names


def _listed(value: str) -> tuple[str, ...]:
    return () if value.strip() == "none" else _words(value)


def _path(value: str) -> Path:
    return Path(value).expanduser()


def setting(
    variable: str,
    default: Any,
    read: Callable[[str], Any] = str,
    about: str = "",
    *,
    secret: bool = False,
) -> Any:
    """Declare a field of `Settings`: its variable, default, reader and one line for the docs."""
    metadata = {"variable": variable, "read": read, "about": about}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Larder's settings. Times are seconds, sizes bytes."""

    instance_path: Path = setting(
        "LARDER_INSTANCE_PATH", ROOT / "instance", _path, "Folder of the SQLite file and made keys."
    )
    database_url: str = setting(
        "DATABASE_URL",
        "",
        about="SQLAlchemy URL; empty: a SQLite file under `instance/`.",
        secret=True,
    )
    database_pool_size: int = setting(
        "DATABASE_POOL_SIZE", 10, _whole(1, 200), "Connections a worker keeps (not SQLite)."
    )
    redis_url: str = setting(
        "REDIS_URL",
        "redis://localhost:6379/0",
        _redis_url,
        "`redis://`, `rediss://`, `redis+sentinel://h:p,h:p/service/db`, `redis+cluster://h:p,h:p`.",
        secret=True,
    )
    cache_backend: str = setting(
        "CACHE_BACKEND",
        "auto",
        _one_of(*CACHE_BACKENDS),
        "`auto` (Redis, else memory), `redis` (refuse to start without), `memory`.",
    )
    cache_key_prefix: str = setting(
        "CACHE_KEY_PREFIX", "larder", about="What every Redis key begins with."
    )
    cache_memory_bytes: int = setting(
        "CACHE_MEMORY_BYTES",
        64 * 2**20,
        _whole(2**20, 2**36),
        "Byte budget of a worker's memory tier.",
    )
    cache_memory_first: bool = setting(
        "CACHE_MEMORY_FIRST",
        True,
        _flag,
        "Whether memory stands in front of Redis; off: it serves only while Redis is away.",
    )
    cache_entry_bytes: int = setting(
        "CACHE_ENTRY_BYTES",
        2 * 2**20,
        _whole(1024, 2**28),
        "A larger value is served, not stored.",
    )
    cache_redis_connect_timeout_s: float = setting(
        "CACHE_REDIS_CONNECT_TIMEOUT",
        0.1,
        _seconds(0.01, 5),
        "Limit of a connect to Redis, seconds.",
    )
    cache_redis_timeout_s: float = setting(
        "CACHE_REDIS_TIMEOUT", 0.2, _seconds(0.01, 5), "Limit of one answer of Redis, seconds."
    )
    cache_stale_if_error_s: float = setting(
        "CACHE_STALE_IF_ERROR",
        0.0,
        _seconds(0, 86400),
        "How long after its TTL the catalogue is still served while the database is away, seconds.",
    )
    cache_audit_share: float = setting(
        "CACHE_AUDIT_SHARE",
        0.001,
        _seconds(0, 1),
        "Share of hits that are reloaded and compared, 0 to 1.",
    )
    cache_warm_at_start: tuple[str, ...] = setting(
        "CACHE_WARM_AT_START",
        ("critical",),
        _listed,
        "Warming strategies run beside each start, comma-separated; `all`, or `none`.",
    )
    cache_ttls: Mapping[str, int] = field(
        default_factory=dict,
        metadata={
            "variable": "CACHE_TTL_<NAME>",
            "about": "Any TTL of the namespaces, seconds, such as `CACHE_TTL_MODELS_LIST`.",
        },
    )
    response_cache_shared: tuple[str, ...] = setting(
        "RESPONSE_CACHE_SHARED",
        (),
        _shared_names,
        "Names of response-cache namespaces that all tenants share, by comma.",
    )
    admin_key: str = setting(
        "LARDER_ADMIN_KEY",
        "",
        secret=True,
        about="The first admin's API key, set up at first start; unset: made and printed once.",
    )
    secret_key: str = setting(
        "LARDER_SECRET_KEY",
        "",
        secret=True,
        about="Encrypts provider secrets and signs; unset: made once under `instance/`.",
    )
    secret_key_before: str = setting(
        "LARDER_SECRET_KEY_BEFORE",
        "",
        secret=True,
        about="The key before a rotation: still read, never written with.",
    )
    openai_api_key: str = setting(
        "OPENAI_API_KEY", "", secret=True, about="Registers provider `openai` at start."
    )
    openai_base_url: str = setting(
        "OPENAI_BASE_URL", "", about="Its base URL; empty: OpenAI's own."
    )
    anthropic_api_key: str = setting(
        "ANTHROPIC_API_KEY", "", secret=True, about="Registers provider `anthropic` at start."
    )
    anthropic_base_url: str = setting(
        "ANTHROPIC_BASE_URL", "", about="Its base URL; empty: Anthropic's own."
    )
    providers_file: Path | None = setting(
        "LARDER_PROVIDERS", None, _path, "TOML file with any number of providers."
    )
    provider_connect_timeout_s: float = setting(
        "PROVIDER_CONNECT_TIMEOUT", 5.0, _seconds(0.05, 120), "Limit of a connect, seconds."
    )
    provider_first_token_timeout_s: float = setting(
        "PROVIDER_FIRST_TOKEN_TIMEOUT",
        120.0,
        _seconds(0.05, 3600),
        "Limit until a provider's first token, seconds; for answers that are not streamed the "
        "total limit holds.",
    )
    provider_between_tokens_timeout_s: float = setting(
        "PROVIDER_BETWEEN_TOKENS_TIMEOUT",
        60.0,
        _seconds(0.05, 3600),
        "Limit of a pause between tokens, seconds.",
    )
    provider_total_timeout_s: float = setting(
        "PROVIDER_TOTAL_TIMEOUT", 600.0, _seconds(0.05, 86400), "Limit of a whole answer, seconds."
    )
    https_proxy: str = setting(
        "HTTPS_PROXY",
        "",
        _proxy_url,
        "`http://[user:password@]host:port`: through it providers at https addresses are reached.",
        secret=True,
    )
    no_proxy: str = setting(
        "NO_PROXY", "", about="Hosts and domains, by comma, that are reached without it; `*`: all."
    )
    provider_retries: int = setting(
        "PROVIDER_RETRIES",
        2,
        _whole(0, 10),
        "How often a call that failed before its first token is tried again with the same model.",
    )
    provider_retry_wait_s: float = setting(
        "PROVIDER_RETRY_WAIT",
        10.0,
        _seconds(0, 300),
        "Longest wait before a retry, seconds; a provider that asks for more is not waited for.",
    )
    provider_retry_server_errors: bool = setting(
        "PROVIDER_RETRY_SERVER_ERRORS",
        True,
        _flag,
        "Whether a provider's 5xx, or a lost answer, is retried: it may have cost something.",
    )
    provider_circuit_failures: int = setting(
        "PROVIDER_CIRCUIT_FAILURES",
        5,
        _whole(0, 1000),
        "Failures in a row after which a provider is left alone for a while; 0: never.",
    )
    provider_circuit_pause_s: float = setting(
        "PROVIDER_CIRCUIT_PAUSE",
        15.0,
        _seconds(0.05, 3600),
        "How long it is left alone, seconds; doubled with each failed probe, three times at most.",
    )
    stream_heartbeat_s: float = setting(
        "STREAM_HEARTBEAT", 15.0, _seconds(0.05, 15), "Longest silence on a stream, seconds."
    )
    stream_log_ttl_s: int = setting(
        "STREAM_LOG_TTL",
        300,
        _whole(1, 86400),
        "How long an ended stream can be read again, seconds.",
    )
    shutdown_grace_s: float = setting(
        "SHUTDOWN_GRACE",
        25.0,
        _seconds(0, 3600),
        "How long running streams may finish at a shutdown, seconds.",
    )
    max_body_bytes: int = setting(
        "MAX_BODY_BYTES", 8 * 2**20, _whole(1024, 2**30), "Largest JSON request body, bytes."
    )
    max_file_bytes: int = setting(
        "MAX_FILE_BYTES", 20 * 2**20, _whole(1024, 2**30), "Largest uploaded file, bytes."
    )
    max_message_chars: int = setting(
        "MAX_MESSAGE_CHARS", 1_000_000, _whole(1, 10**8), "Longest message, characters."
    )
    max_conversation_bytes: int = setting(
        "MAX_CONVERSATION_BYTES", 10 * 2**20, _whole(1024, 2**30), "Text of a conversation, bytes."
    )
    cors_origins: tuple[str, ...] = setting(
        "CORS_ORIGINS", (), _words, "Origins allowed to call from a browser, comma-separated."
    )
    metrics_public: bool = setting(
        "METRICS_PUBLIC", True, _flag, "Whether `/metrics` answers without a key."
    )
    log_level: str = setting(
        "LOG_LEVEL", "info", _one_of("debug", "info", "warning", "error"), "Lowest level logged."
    )
    log_format: str = setting(
        "LOG_FORMAT",
        "auto",
        _one_of("auto", "json", "console"),
        "`json`, `console`, or `auto`: console on a terminal.",
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from `environ`, the process's own environment by default.

        Raises:
            SettingsError: naming every variable that is wrong, and what it may be.
        """
        source = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        faults: list[str] = []
        for each in fields(cls):
            read = each.metadata.get("read")
            raw = source.get(each.metadata["variable"], "")
            if read is None or raw == "":
                continue
            try:
                values[each.name] = read(raw)
            except ValueError as fault:
                faults.append(f"{each.metadata['variable']} {fault}")
        values["cache_ttls"] = _ttls(source, faults)
        if faults:
            raise SettingsError("; ".join(faults))
        return cls(**values)

    @property
    def root(self) -> Path:
        """The folder that Larder's code stands in."""
        return ROOT

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL, with the SQLite file in place of an empty one."""
        if self.database_url:
            return _with_driver(self.database_url)
        return f"sqlite:///{self.instance_path / 'larder.sqlite3'}"


def _ttls(source: Mapping[str, str], faults: list[str]) -> dict[str, int]:
    """The overrides of TTLs, by lower-case name; whether a name exists is the cache's to say."""
    ttls: dict[str, int] = {}
    for variable, raw in source.items():
        if not variable.startswith(TTL_PREFIX) or raw == "":
            continue
        try:
            ttls[variable.removeprefix(TTL_PREFIX).lower()] = _whole(1, 10**8)(raw)
        except ValueError as fault:
            faults.append(f"{variable} {fault}")
    return ttls


def _with_driver(url: str) -> str:
    """A plain PostgreSQL URL with the driver that Larder ships."""
    for plain in ("postgres://", "postgresql://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url

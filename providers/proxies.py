"""The way to a provider where a network lets nobody out but its proxy.

An HTTP proxy is asked with CONNECT (RFC 9110, section 9.3.6) for a tunnel to the provider's host;
TLS goes through it from end to end, so the proxy sees neither requests nor keys.
"""

from dataclasses import dataclass
from urllib.parse import unquote
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed's gap

from urllib3.connection import HTTPConnection
from urllib3.util import make_headers, parse_url

__all__ = ["Proxy", "proxy_to"]

PORT = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; `authorization` are the headers that it wants, if any."""

    host: str
    port: int
    authorization: dict[str, str]

    def tunnel(self, connection: HTTPConnection, host: str, port: int) -> None:
        """Have `connection`, made to the proxy and not yet connected, lead to a host behind it."""
        connection.set_tunnel(host, port, headers=self.authorization, scheme="http")


def proxy_to(host: str, port: int, proxy_url: str, no_proxy: str) -> Proxy | None:
    """The proxy that a host is reached through, if one is set and the host is not excepted.

    Args:
        host: the provider's, without brackets.
        port: the provider's.
        proxy_url: `http://[user:password@]host[:port]`; empty: none.
        no_proxy: hosts, domains, or either with a port, by comma; `*`: all of them.
    """
    if not proxy_url:
        return None
    is_excepted = proxy_bypass_environment(f"{host}:{port}", {"no": no_proxy})
    if is_excepted:
        return None
    url = parse_url(proxy_url)
    assert url.host is not None  # noqa: S101 (the settings refuse such a URL)
    given = make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else {}
    return Proxy(url.host.strip("[]"), url.port or PORT, given)

"""The addresses of a host, looked up within a time limit: the system's own look-up has none."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from ipaddress import ip_address

__all__ = ["addresses_of"]


def addresses_of(host: str, within_s: float) -> Sequence[str]:
    """Where a host is reached, the system's first choice first.

    A look-up cannot be called off: one that takes too long goes on, on a thread that nobody waits
    for.

    Args:
        host: its name, or its address, without brackets.
        within_s: how long it may take.

    Raises:
        TimeoutError: it took longer.
        OSError, ValueError: there is no such host.
        RuntimeError: no thread can be had.
    """
    try:
        ip_address(host)
    except ValueError:
        found: Future[Sequence[str]] = Future()
        args = (host, found)
        threading.Thread(target=_look_up, args=args, name="larder-look-up", daemon=True).start()
        return found.result(within_s)
    return [host]


def _look_up(host: str, found: Future[Sequence[str]]) -> None:
    try:
        known = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        found.set_result([str(each[4][0]) for each in known])
    except Exception as fault:  # noqa: BLE001 (raised where it is waited for)
        found.set_exception(fault)

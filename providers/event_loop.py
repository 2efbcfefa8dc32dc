"""One thread that runs the streams of many, for workers that give each request a thread.

Threads that relay tokens take turns at the interpreter for each of them, and a turn is a call to
the system or two. So a request's thread lets a stream that lasts go on here, as a greenlet beside
the others, and waits. What would hold the others up, the database above all, is the thread's to do
(`by_thread`), and so is the rest from then on.

gevent's event loops belong to a thread each; nothing is patched for this one.

https://www.gevent.org/api/gevent.hub.html
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

import structlog
from greenlet import getcurrent, greenlet

__all__ = ["EventLoop", "Sender", "by_thread", "is_here", "receptions"]

log = structlog.get_logger(__name__)

Result = TypeVar("Result")


class Receptions(threading.local):
    """Whether a thread has received from a socket that the loop could receive from as well."""

    has_come = False


receptions = Receptions()


class Sender(Protocol):
    """What sends a response, as gunicorn's does."""

    sock: Any

    def write(self, arg: bytes, /) -> None:
        """Send the next piece of the body."""
        ...


class EventLoop:
    """The thread, begun when it is first needed, or by `start`: in each process its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_begun = False
        self._hub: Any = None

    def start(self) -> Any:
        """Begin the thread; where that fails it is not tried again, and `relay` does nothing.

        To be called while there are files to be opened: libev goes on trying for ever for its own.

        Returns:
            Its hub, if there is one.
        """
        with self._lock:
            if not self._is_begun:
                self._is_begun = True
                is_ready = threading.Event()
                thread = threading.Thread(
                    target=self._run, args=(is_ready,), name="larder-event-loop", daemon=True
                )
                try:
                    thread.start()
                except RuntimeError:
                    log.exception("event_loop_thread_refused")
                else:
                    is_ready.wait()
            return self._hub

    def relay(self, pieces: Iterator[bytes], sender: Sender) -> None:
        """Send what comes, in the loop, until it ends or needs the calling thread.

        In the second case, or if no thread can be had for the loop, the calling thread has to see
        to what `pieces` still have.

        Args:
            pieces: what is relayed.
            sender: how; its socket is a plain one.

        Raises:
            BaseException: whatever `pieces` and `sender` raise.
        """
        hub = self.start()
        if hub is None:
            return
        relay = _Relay(hub, pieces, sender)
        hub.loop.run_callback_threadsafe(relay.begin, copy_context())
        while (work := relay.asked.get()) is not None:
            hub.loop.run_callback_threadsafe(relay.go_on, *_done(work))
        fault, relay.fault = relay.fault, None
        if fault is not None:
            try:
                raise fault
            finally:
                del fault  # its traceback has this frame: each would keep the other

    def _run(self, is_ready: threading.Event) -> None:
        try:
            import gevent.socket  # noqa: PLC0415 (only where it serves; receivers wait with it)

            hub = gevent.get_hub()
            never = hub.loop.async_()  # with nothing to watch a loop ends
            self._hub = hub
        except Exception:
            log.exception("event_loop_not_begun")
            return
        finally:
            is_ready.set()
        hub.wait(never)


class _Green(greenlet):  # type: ignore[misc]  # it has no types
    """Runs one relay in the loop."""

    relay: "_Relay"


class _Relay:
    """One stream's way through the loop. `asked` has what its thread is to do; `None` ends it."""

    def __init__(self, hub: Any, pieces: Iterator[bytes], sender: Sender) -> None:
        self.asked: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self.fault: BaseException | None = None
        self._hub = hub
        self._pieces = pieces
        self._sender = sender
        self._has_asked = False
        self._green: Any = None

    def begin(self, context: Context) -> None:
        """Run, up to the first wait; called by the loop."""
        self._green = green = _Green(self._run, self._hub)
        green.relay = self
        green.gr_context = context
        green.switch()

    def go_on(self, result: Any, fault: BaseException | None) -> None:
        """The thread has done its work; called by the loop."""
        self._green.switch(result, fault)

    def ask(self, work: Callable[[], Result]) -> Result:
        """Have the thread do `work`; called by the greenlet."""
        self._has_asked = True
        self.asked.put(work)
        result, fault = self._hub.switch()
        if fault is not None:
            raise fault
        done: Result = result
        return done

    def _run(self) -> None:
        sender, sock = self._sender, self._sender.sock
        sender.sock = outlet = _Outlet(sock, self._hub)
        try:
            for piece in self._pieces:
                sender.write(piece)
                if self._has_asked:
                    break
        except BaseException as fault:  # noqa: BLE001 (the thread raises it)
            self.fault = fault
        finally:
            sender.sock = sock
            outlet.close()
            self._green = None  # as it has this: the collector need not look for the two
            self.asked.put(None)


class _Outlet:
    """A blocking socket, as greenlets send through it: nobody else waits for a slow reader."""

    def __init__(self, sock: socket.socket, hub: Any) -> None:
        self._sock = sock
        self._hub = hub
        self._room: Any = None

    def send(self, data: bytes | memoryview) -> int:
        """As `socket.send`; waits for room for some of it."""
        while True:
            try:
                return self._sock.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if self._room is None:
                    self._room = self._hub.loop.io(self._sock.fileno(), 2)
                self._hub.wait(self._room)

    def sendall(self, data: bytes) -> None:
        """As `socket.sendall`."""
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest) :]

    def close(self) -> None:
        """Watch for room no more; the socket is left as it is."""
        if self._room is not None:
            self._room.close()


def is_here() -> bool:
    """Whether the caller runs in the loop, where nothing may block."""
    return type(getcurrent()) is _Green


def by_thread(work: Callable[[], Result]) -> Result:
    """Do `work`, on the thread whose stream this is: what blocks must not be done in the loop.

    Raises:
        BaseException: whatever `work` raises.
    """
    me = getcurrent()
    return me.relay.ask(work) if type(me) is _Green else work()


def _done(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as fault:  # noqa: BLE001 (the greenlet raises it)
        return None, fault

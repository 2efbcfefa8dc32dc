"""A run of many streams over two workers' engines, in one process, on threads or on greenlets.

`python -m tests.streams.course threads|gevent REDIS_PORT` prints `ok`, or fails.
`python -m tests.streams.course produce REDIS_PORT STREAM_ID` produces one stream until killed.
"""

import sys

if sys.argv[1:2] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import threading
import uuid
from collections.abc import Iterator

from providers.protocol import Chunk, ProviderBroken
from streams.engine import StreamEngine, StreamLimits
from streams.running import RunningStream
from streams.sse import encode_stream
from tests.doubles.redis_process import patient_client
from tests.streams.scripts import Answer, make_engine, wait_until

STREAMS = 60
TOKENS = 30
PACE_S = 0.005
LIMITS = StreamLimits(heartbeat_s=1.2)


class PacedProvider:
    """Says a number every few milliseconds, `tokens` times or for ever."""

    def __init__(self, tokens: int | None) -> None:
        self._tokens = tokens
        self._said = 0
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        if self._said == self._tokens:
            raise StopIteration
        if self._closed.wait(PACE_S):
            raise ProviderBroken("closed")
        self._said += 1
        return Chunk(text=f"{self._said} ")

    def close(self) -> None:
        """The engine hangs up."""
        self._closed.set()


class Course:
    """One stream, its readers on both workers, and what they got."""

    def __init__(self, number: int, here: StreamEngine, there: StreamEngine) -> None:
        self.is_stopped = number % 3 == 0
        self.answer = Answer(
            str(uuid.uuid4()), script=PacedProvider(None if self.is_stopped else TOKENS)
        )
        self._here, self._there = here, there
        self._bodies: list[bytes] = []

    def run(self) -> None:
        """Produce it, read it here and there, stop it from there if it has no end of its own."""
        stream = self._here.start(self.answer.plan())
        readers = [
            threading.Thread(target=self._read, args=(engine,))
            for engine in (self._here, self._there, self._there)
        ]
        for reader in readers:
            reader.start()
        if self.is_stopped:
            threading.Event().wait(0.1)
            wait_until(lambda: self._is_stopped(stream), within_s=30)
        for reader in readers:
            reader.join(10)

    def _is_stopped(self, stream: RunningStream) -> bool:
        """Whether it stops; no database keeps a stop that comes before its worker tells of it."""
        self._there.stop(stream.stream_id)
        try:
            return stream.wait(1).finish_reason is not None
        except TimeoutError:
            return False

    def check(self) -> None:
        """Everybody got the same, complete, and it was booked once."""
        assert len(self._bodies) == 3, self.answer.stream_id
        assert len(set(self._bodies)) == 1, self._bodies
        assert self._bodies[0].count(b"event: done") == 1
        assert len(self.answer.booked) == 1
        reason = "cancelled" if self.is_stopped else None
        assert self.answer.booked[0].finish_reason == reason

    def _read(self, engine: StreamEngine) -> None:
        reader = engine.join(self.answer.stream_id, is_expected=True)
        self._bodies.append(b"".join(encode_stream(b for b in reader.batches() if b)))


def run_many(port: int) -> None:
    """Many streams at once."""
    here_redis, there_redis = patient_client(port), patient_client(port)
    here = make_engine(redis=lambda: here_redis, limits=LIMITS)
    there = make_engine(redis=lambda: there_redis, limits=LIMITS)
    before = threading.active_count()
    courses = [Course(number, here, there) for number in range(STREAMS)]
    runs = [threading.Thread(target=course.run) for course in courses]
    for run in runs:
        run.start()
    for run in runs:
        run.join(30)
    for course in courses:
        course.check()
    here.shutdown(5)
    there.shutdown(5)
    # What is left is the two engines' own few threads, which linger a moment.
    wait_until(lambda: threading.active_count() <= before + 4)
    sys.stdout.write("ok\n")


def produce(port: int, stream_id: str) -> None:
    """One stream without end."""
    client = patient_client(port)
    engine = make_engine(redis=lambda: client, limits=LIMITS)
    stream = engine.start(Answer(stream_id, script=PacedProvider(None)).plan())
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    stream.wait()


if __name__ == "__main__":
    if sys.argv[1] == "produce":
        produce(int(sys.argv[2]), sys.argv[3])
    else:
        run_many(int(sys.argv[2]))

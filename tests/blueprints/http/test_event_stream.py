"""SSE responses."""

from flask import Flask

from blueprints.http.event_stream import event_stream


def test_proxies_are_told_not_to_hold_events_back():
    """A proxy would keep a stream until it is whole."""
    response = event_stream([b"data: a\n\n"])

    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert "Content-Length" not in response.headers


def test_further_headers_are_sent():
    """The stream's id is known before its first event."""
    response = event_stream([], {"X-Larder-Stream-Id": "s1"})

    assert response.headers["X-Larder-Stream-Id"] == "s1"


def test_a_whole_body_has_its_length():
    """An answer from the cache is there at once."""
    response = event_stream(b"data: a\n\n")

    assert response.data == b"data: a\n\n"
    assert response.get_wsgi_headers({})["Content-Length"] == "9"


def test_frames_go_out_one_by_one():
    """The second need not be there when the first is read."""
    asked = []

    def frames():
        for name in (b"a", b"b"):
            asked.append(name)
            yield b"data: " + name + b"\n\n"

    stream = event_stream(frames()).iter_encoded()

    assert next(stream) == b"data: a\n\n"
    assert asked == [b"a"]


def test_a_reader_who_leaves_ends_the_frames():
    """What feeds them is let go at once."""
    ended = []

    def frames():
        try:
            yield b"data: a\n\n"
            yield b"data: b\n\n"
        finally:
            ended.append(True)

    response = event_stream(frames())
    next(response.iter_encoded())
    response.close()

    assert ended == [True]


def test_frames_stream_without_a_request():
    """They run when the request is over: all they need is in hand."""
    app = Flask(__name__)

    @app.get("/<word>")
    def view(word):
        return event_stream(b"data: %b\n\n" % each for each in (word.encode(), b"y"))

    assert app.test_client().get("/x").data == b"data: x\n\ndata: y\n\n"

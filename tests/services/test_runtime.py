"""What services are handed: the parts of the application that runs here and now."""

from dataclasses import FrozenInstanceError, replace

import pytest

from app import create_app
from database.session import db
from services import runtime as services_runtime
from services.runtime import bind, runtime
from services.worker_processes import worker_is_gone


@pytest.fixture
def unbound():
    """No application yet; what was bound comes back."""
    before = list(services_runtime._locate)  # noqa: SLF001 (the port has no other way back)
    services_runtime._locate.clear()  # noqa: SLF001
    yield
    services_runtime._locate[:] = before  # noqa: SLF001


def test_the_parts_are_those_of_the_application(app, settings, clock):
    """Nothing is made twice, nothing is global."""
    with app.app_context():
        parts = runtime()
    clock.advance(5)

    assert parts.settings is settings
    assert (parts.clock.now(), parts.clock.monotonic()) == (clock.now(), clock.monotonic())
    assert parts.secrets.decrypt(parts.secrets.encrypt("x")) == "x"
    assert worker_is_gone(parts.worker) is False


def test_two_applications_in_one_process_have_their_own(app, settings, tmp_path):
    """Tests run side by side; so may others."""
    other = create_app(replace(settings, instance_path=tmp_path / "other"))

    with other.app_context():
        theirs = runtime()
    with app.app_context():
        ours = runtime()

    assert theirs.settings is not ours.settings
    assert theirs.streams is not ours.streams
    assert theirs.providers is not ours.providers
    other.extensions["larder_shutdown"](0.0)
    with other.app_context():
        db.engine.dispose()


def test_the_parts_cannot_be_exchanged(app, clock):
    """A service that did would do so for all."""
    with app.app_context(), pytest.raises(FrozenInstanceError):
        runtime().clock = clock  # type: ignore[misc]


def test_without_an_application_the_mend_is_said(unbound):
    """A script that imports a service reads what to do."""
    with pytest.raises(RuntimeError, match="create_app"):
        runtime()


def test_the_last_word_counts(app, unbound):
    """A second application in a process takes over."""
    with app.app_context():
        parts = app.extensions["larder"]
        bind(lambda: replace(parts, worker="one"))
        bind(lambda: replace(parts, worker="two"))

        assert runtime().worker == "two"

"""Transactions: who commits, and who flushes with what reason."""

import pytest

from tests.architecture.source import ROOT, method_calls, source_files

COMMITTERS = {
    "services/unit_of_work.py",  # the one place of every write
    "database/generations.py",  # a bump without a write, when an entry is cleared by hand
}


def _calls(method):
    return [
        (str(path), line)
        for path in source_files()
        for line in method_calls((ROOT / path).read_text(), method)
    ]


def test_the_unit_of_work_commits_and_nobody_else():
    """A commit elsewhere would be a write that no reader is told of."""
    assert {path for path, _ in _calls("commit")} == COMMITTERS


def test_each_of_them_commits_in_one_place():
    """So that what has to happen around a commit stands around one line."""
    assert len(_calls("commit")) == len(COMMITTERS)


def test_every_flush_says_why():
    """It sends statements early, and holds locks from there on."""
    silent = [
        f"{path}:{line}"
        for path, line in _calls("flush")
        if "#" not in (ROOT / path).read_text().splitlines()[line - 1]
    ]

    assert silent == []


@pytest.mark.parametrize(
    "text",
    ["session.commit()", "with write() as work:\n    work.session.commit()", "db().commit()"],
)
def test_a_commit_is_seen_however_it_is_written(text):
    """The rules above can fail."""
    assert len(method_calls(text, "commit")) == 1

"""Tests that share a server run on one worker: else each worker starts a server of its own."""

import pytest

pytestmark = pytest.mark.xdist_group("grouped")


def test_the_runner_knows_the_groups(request):
    """A runner that forgets them says nothing: it takes twice as long."""
    is_grouping = request.config.getoption("loadgroup", default=False)

    assert request.node.nodeid.endswith("@grouped") == is_grouping

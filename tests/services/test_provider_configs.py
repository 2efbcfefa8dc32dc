"""What an adapter is told for a call, and what keeps it from being."""

from dataclasses import replace

import pytest

from services import model_routes
from services.errors import Unavailable
from services.provider_configs import provider_config, route_config

URL = "http://127.0.0.1:1/v1"


def _config():
    (route,) = model_routes.routes_for("acme/org/brain", {}).routes
    return route_config(route)


def test_a_provider_is_reached_with_its_secret(acme, context):
    """In the clear for its adapter alone, which shows it nowhere."""
    config = _config()

    assert (config.provider_id, config.base_url, config.api_key) == ("acme", URL, "sk-ours")
    assert "sk-ours" not in repr(config)


def test_time_limits_of_a_call_are_the_settings(acme, context, settings):
    """Four of them, none forgotten."""
    config = _config()

    assert config.connect_timeout_s == settings.provider_connect_timeout_s
    assert config.first_token_timeout_s == settings.provider_first_token_timeout_s
    assert config.between_tokens_timeout_s == settings.provider_between_tokens_timeout_s
    assert config.total_timeout_s == settings.provider_total_timeout_s
    assert config.silence_s < settings.stream_heartbeat_s


def test_the_way_out_of_the_network_is_the_settings(acme, context, app, settings):
    """A proxy for https, and who is asked without it."""
    changed = replace(settings, https_proxy="http://proxy:3128", no_proxy="internal.example")
    app.extensions["larder"] = replace(app.extensions["larder"], settings=changed)

    config = _config()

    assert config.proxy_url == "http://proxy:3128"
    assert config.no_proxy == "internal.example"


def test_a_provider_without_a_secret_has_an_empty_key(context):
    """A local server needs none."""
    assert provider_config("x", "openai", URL, None).api_key == ""


def test_a_secret_that_cannot_be_read_is_said_with_the_mend(context):
    """It names the provider and shows nothing of what is stored."""
    with pytest.raises(Unavailable) as refused:
        provider_config("acme", "openai", URL, "of another key")

    assert refused.value.code == "provider_secret_unreadable"
    assert "acme" in refused.value.detail
    assert "of another" not in refused.value.detail


def test_a_new_secret_is_used_by_the_next_route(admin, acme, context):
    """A revoked provider key does not live on in the cache."""
    _config()

    admin.patch("/api/providers/acme", json={"secret": "sk-new"})

    assert _config().api_key == "sk-new"

"""What a provider's adapter needs for a call: address, secret in the clear, time limits."""

from providers.protocol import ProviderConfig
from services.errors import Unavailable
from services.model_routes import ModelRoute
from services.runtime import runtime
from services.secrets import SecretUnreadable
from streams.limits import StreamLimits

__all__ = ["provider_config", "route_config"]


def route_config(route: ModelRoute) -> ProviderConfig:
    """The configuration of the provider that a route leads to.

    Raises:
        Unavailable: the stored secret does not fit the installation's key.
    """
    return provider_config(
        route.provider_id,
        route.wire_format,
        route.base_url,
        route.encrypted_secret,
        route.api_version,
    )


def provider_config(
    provider_id: str,
    wire_format: str,
    base_url: str,
    encrypted_secret: str | None,
    api_version: str | None = None,
) -> ProviderConfig:
    """The configuration of a provider, from its stored columns.

    Raises:
        Unavailable: the stored secret does not fit the installation's key.
    """
    settings = runtime().settings
    try:
        secret = runtime().secrets.decrypt(encrypted_secret) if encrypted_secret else ""
    except SecretUnreadable as fault:
        raise Unavailable(
            f"The secret of provider {provider_id} cannot be read: set it anew.",
            code="provider_secret_unreadable",
        ) from fault
    return ProviderConfig(
        provider_id=provider_id,
        wire_format=wire_format,
        base_url=base_url,
        api_key=secret,
        api_version=api_version or "",
        connect_timeout_s=settings.provider_connect_timeout_s,
        first_token_timeout_s=settings.provider_first_token_timeout_s,
        between_tokens_timeout_s=settings.provider_between_tokens_timeout_s,
        total_timeout_s=settings.provider_total_timeout_s,
        silence_s=StreamLimits(heartbeat_s=settings.stream_heartbeat_s).silence_s,
        proxy_url=settings.https_proxy,
        no_proxy=settings.no_proxy,
    )

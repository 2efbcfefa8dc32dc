"""OpenAI's format as Azure serves it: a path by deployment, a version, another header for the key.

https://learn.microsoft.com/azure/ai-foundry/openai/reference

A model's name is its deployment's. The base URL is the resource's, `https://NAME.openai.azure.com`.
The resource's newer path, `/openai/v1`, is plain OpenAI and needs no adapter of its own.
"""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from providers.openai import OpenAIProvider
from providers.protocol import ModelListing

__all__ = ["AzureProvider"]

API_VERSION = "2024-10-21"


class AzureProvider(OpenAIProvider):
    """The adapter of one Azure OpenAI resource."""

    def list_models(self) -> Sequence[ModelListing]:
        """Nothing: the resource lists what it could deploy, not what it has deployed.

        It is asked all the same, so that a check says whether key and address are right.

        Raises:
            ProviderError: they are not.
        """
        super().list_models()
        return []

    def _path(self, path: str, model: str) -> str:
        version = urlencode({"api-version": self._config.api_version or API_VERSION})
        deployment = f"/deployments/{quote(model, safe='')}" if model else ""
        return f"/openai{deployment}{path}?{version}"

    def _key(self) -> dict[str, str]:
        return {"api-key": self._config.api_key} if self._config.api_key else {}

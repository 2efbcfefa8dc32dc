"""Anthropic's Messages API under `/v1/messages`, over every model of the catalogue."""

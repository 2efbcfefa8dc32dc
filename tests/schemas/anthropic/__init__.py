"""Anthropic's shapes."""

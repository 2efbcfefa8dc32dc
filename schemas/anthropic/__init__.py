"""Anthropic's shapes: Messages requests in, messages, events and errors out."""

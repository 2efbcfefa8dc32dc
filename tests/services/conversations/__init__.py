"""Conversations, as services see them."""

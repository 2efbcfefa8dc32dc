"""Triggers that bump, on both databases, past everything that the application does."""

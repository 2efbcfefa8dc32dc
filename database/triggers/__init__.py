"""Triggers that bump: whoever writes a table, by whatever means, the cache cannot miss it."""

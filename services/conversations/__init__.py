"""Folders, conversations, and their messages."""

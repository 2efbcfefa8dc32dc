"""The logs, file by file."""

"""The stream engine, file by file."""

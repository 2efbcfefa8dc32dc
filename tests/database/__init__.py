"""The database layer, file by file."""

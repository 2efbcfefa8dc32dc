"""The end points, file by file."""

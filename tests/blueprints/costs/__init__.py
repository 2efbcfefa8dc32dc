"""The end points of costs, file by file."""

"""The commands, file by file."""

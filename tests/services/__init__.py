"""Services, file by file."""

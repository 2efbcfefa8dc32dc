"""What every end point shares, file by file."""

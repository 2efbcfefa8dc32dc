"""What is spent, file by file."""

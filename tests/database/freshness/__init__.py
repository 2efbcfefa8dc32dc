"""What is fresh, on each database."""

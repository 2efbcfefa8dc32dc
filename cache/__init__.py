"""The cache engine: the database decides what is fresh, Redis and memory only hold bytes."""

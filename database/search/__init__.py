"""Full text, one file a database."""

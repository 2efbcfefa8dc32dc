"""The tiers that hold bytes, and the backend that Flask-Caching sees."""

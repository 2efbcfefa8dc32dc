"""The test suite; the package keeps `tests.cache` from hiding `cache`."""

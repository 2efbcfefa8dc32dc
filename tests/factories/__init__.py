"""Makers of test data, one file a capability."""

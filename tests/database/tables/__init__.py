"""Tests of `database.tables`."""

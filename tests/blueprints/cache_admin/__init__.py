"""Tests of `blueprints.cache_admin`."""

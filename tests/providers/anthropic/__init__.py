"""Tests of the Messages API's adapter."""

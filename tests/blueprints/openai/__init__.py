"""Tests of the OpenAI-compatible surface."""

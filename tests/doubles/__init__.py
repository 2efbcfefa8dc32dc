"""Doubles of what lies beyond a port."""

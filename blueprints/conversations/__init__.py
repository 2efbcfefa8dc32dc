"""The end points of conversations."""

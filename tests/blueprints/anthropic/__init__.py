"""The Messages API at the edge."""

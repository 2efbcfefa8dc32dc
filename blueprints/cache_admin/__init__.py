"""The end points of cache administration; all need the permissions of an admin."""

"""Clients' formats, as services write them."""

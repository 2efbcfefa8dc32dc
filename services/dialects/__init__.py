"""How answers look to clients: one module a client's format."""

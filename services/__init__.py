"""What Larder does: one module a capability. Owns transactions, names what a write changes."""

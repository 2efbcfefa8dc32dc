"""The contract with clients, checked from outside."""

"""`/api/costs`: what was spent, at which prices, within which limits."""

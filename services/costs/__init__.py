"""What is spent: prices, the ledger, its rollup, and the limits on it."""

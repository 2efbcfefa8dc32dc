"""What everybody may use and what knows nobody: clocks, logs, metrics."""

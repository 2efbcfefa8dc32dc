"""Runnable measurements: each compares within one run and prints ratios."""

"""Oracles: what no run of Larder may ever show, in models and on real servers."""

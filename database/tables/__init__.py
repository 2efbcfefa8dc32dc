"""The tables, one file a capability; each names the namespaces its rows are read through."""

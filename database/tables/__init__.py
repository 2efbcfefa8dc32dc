"""The tables, one file a capability. Each names the cache namespaces that its rows are read through."""

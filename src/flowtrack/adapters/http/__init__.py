"""HTTP: the ledger's service, for as long as one process holds the embedded store, and its client."""

"""Downloads and everything else that reads from the network: indexes, metadata, routes, credentials, the store."""

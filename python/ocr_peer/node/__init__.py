"""Puts a node together: keys, store, network, chains and feeds in one nursery."""

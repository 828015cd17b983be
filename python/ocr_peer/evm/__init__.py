"""The EVM chain: JSON-RPC, the aggregator contract, its configuration and this node's transactions."""

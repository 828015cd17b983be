"""The Offchain Reporting 2 protocol as pure state machines: events in, effects out, time as an argument.

Nothing in here reads a clock, draws randomness, waits, logs or touches the world; an import contract
enforces it. `oracle.Oracle` is the way in.
"""

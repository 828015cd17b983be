"""A whole committee in virtual time, decided by one integer: the core's proving ground.

Synchronous and sans-IO. `run.simulate` takes a `Scenario` and returns an `Outcome`; everything else here
is a part of that: oracles under test (`node`), their world (`network`, `chain`, `durable`), what goes wrong
(`faults`, `byzantine`), what must hold nevertheless (`invariants`, `certificates`, `liveness`), and how a
failure is told (`trace`, `shrink`, `drawing`).
"""

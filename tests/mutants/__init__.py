"""The mutation check of the core: `python -m tests.mutants`. How to read it: docs/testing.md."""

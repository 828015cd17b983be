"""Golden vectors of OCR2 in this project's conformance format, run against this implementation.

The format is described in `docs/conformance.md`. `kinds` lists what can be run, `suite` runs files.
"""

"""The specification's 57 numbered scenarios, one test each."""

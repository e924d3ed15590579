"""The `code` verifier: programs of a model, run in a sandbox against tests."""

"""The `coq` and `lean` verifiers: proofs that a prover checks, of the statement that was asked."""

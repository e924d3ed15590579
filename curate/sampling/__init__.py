"""Completions of prompts, drawn from a policy. torch is imported by ``chance``, ``draw`` and ``local`` only."""

"""Hugging Face checkpoints on disk: loading, tokenizing, the language model head. For scorer, sampler and trainer."""

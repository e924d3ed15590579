"""The offline GRPO trainer: objectives over stored samples, and the loop that minimises them."""

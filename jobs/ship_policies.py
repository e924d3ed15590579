# python jobs/ship_policies.py runs/policy curate/policies
"""Write the policies that jobs/policy.toml trained as the shipped ones: weights in bfloat16, read back as float32."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

if __name__ == "__main__":
    trained, shipped = map(Path, sys.argv[1:])
    for name in ("strong", "early"):
        folder = shipped / f"countdown-{name}"
        AutoModelForCausalLM.from_pretrained(trained / name, dtype=torch.bfloat16).save_pretrained(folder)
        AutoTokenizer.from_pretrained(trained / name).save_pretrained(folder)
        GenerationConfig.from_pretrained(trained / name).save_pretrained(folder)

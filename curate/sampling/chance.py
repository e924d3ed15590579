"""Uniform numbers that depend on a seed and a position alone, so that a row's luck is not its neighbours'."""

from __future__ import annotations

import torch

_GAMMA = 0x9E3779B97F4A7C15
_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
_SHIFTS = (30, 27, 31)
_BITS = 48


def uniforms(seeds: torch.Tensor, position: int) -> torch.Tensor:
    """Return one number in (0, 1) a seed, shape (N,), float64, of int64 ``seeds`` (N,) at one position.

    u = (SplitMix64(mix(seed) + (position + 1) * gamma) >> 16, plus one half) / 2**48, in wrapping 64-bit arithmetic.
    Never 0 or 1. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
    """
    state = _mix(seeds) + _signed((position + 1) * _GAMMA)
    return (_shift(_mix(state), 64 - _BITS).double() + 0.5) * 2.0**-_BITS


def _mix(z: torch.Tensor) -> torch.Tensor:
    for shift, factor in zip(_SHIFTS, _FACTORS, strict=False):
        z = (z ^ _shift(z, shift)) * _signed(factor)
    return z ^ _shift(z, _SHIFTS[-1])


def _shift(z: torch.Tensor, n: int) -> torch.Tensor:
    """Shift right and fill with zeros; torch fills with the sign."""
    return (z >> n) & ((1 << (64 - n)) - 1)


def _signed(value: int) -> int:
    value %= 1 << 64
    return value - (1 << 64) if value >> 63 else value

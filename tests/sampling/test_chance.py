"""Counter-based uniform numbers against the same arithmetic in plain Python integers."""

import torch

from curate.sampling.chance import uniforms

GAMMA, FIRST, SECOND, WORD = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 2**64


def mix(z: int) -> int:
    z = ((z ^ (z >> 30)) * FIRST) % WORD
    z = ((z ^ (z >> 27)) * SECOND) % WORD
    return z ^ (z >> 31)


def test_the_mixing_is_that_of_splitmix64() -> None:
    state = 1234567
    outputs = []
    for _ in range(3):
        state = (state + GAMMA) % WORD
        outputs.append(mix(state))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]  # the published test vector


def test_uniforms_equal_plain_python() -> None:
    seeds = [0, 1, 2**62 + 31, 2**63 - 1, -5]
    for position in (0, 1, 511, 100_000):
        expected = [((mix((mix(seed % WORD) + (position + 1) * GAMMA) % WORD) >> 16) + 0.5) / 2**48 for seed in seeds]
        assert uniforms(torch.tensor(seeds), position).tolist() == expected


def test_neighbouring_seeds_and_positions_are_independent() -> None:
    seeds = torch.arange(2_000)
    table = torch.stack([uniforms(seeds, position) for position in range(50)])
    assert abs(float(table.mean()) - 0.5) < 0.003
    assert abs(float(table.var()) - 1 / 12) < 0.001
    for left, right in ((table[:-1], table[1:]), (table[:, :-1], table[:, 1:])):
        correlation = torch.corrcoef(torch.stack([left.flatten(), right.flatten()]))[0, 1]
        assert abs(float(correlation)) < 0.015
    assert float(table.min()) > 0
    assert float(table.max()) < 1

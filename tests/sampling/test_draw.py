"""Drawing tokens: worked probabilities, top_p, greedy, and logits that are broken."""

import math

import pytest
import torch

from curate.sampling.completion import Setting
from curate.sampling.draw import draw, nucleus

PROBABILITIES = [0.5, 0.25, 0.125, 0.125]
LOGITS = torch.tensor([PROBABILITIES]).log()


def drawn(uniforms: list[float], setting: Setting) -> tuple[list[int], list[float]]:
    nodes = torch.zeros(len(uniforms), dtype=torch.long)
    tokens, logprobs = draw(LOGITS, nodes, torch.tensor(uniforms, dtype=torch.float64), setting)
    return tokens.tolist(), logprobs.tolist()


def test_a_uniform_number_picks_the_token_whose_share_it_falls_into() -> None:
    tokens, logprobs = drawn([0.01, 0.49, 0.51, 0.74, 0.76, 0.88, 1 - 2**-49], Setting())
    assert tokens == [0, 0, 1, 1, 2, 3, 3]
    assert logprobs == pytest.approx([math.log(PROBABILITIES[token]) for token in tokens], abs=1e-6)


def test_temperature_sharpens_and_its_log_prob_is_stored() -> None:
    # squares 1/4, 1/16, 1/64, 1/64 sum to 22/64
    tokens, logprobs = drawn([0.7, 0.75, 0.95, 0.99], Setting(temperature=0.5))
    assert tokens == [0, 1, 2, 3]
    shares = [16 / 22, 4 / 22, 1 / 22, 1 / 22]
    assert logprobs == pytest.approx([math.log(share) for share in shares], abs=1e-6)


@pytest.mark.parametrize(
    ("top_p", "shares"),
    [
        (0.4, [1.0]),
        (0.5, [1.0]),
        (0.6, [2 / 3, 1 / 3]),
        (0.75, [2 / 3, 1 / 3]),
        (0.8, [4 / 7, 2 / 7, 1 / 7]),
        (1e-9, [1.0]),
    ],
)
def test_top_p_keeps_the_fewest_likeliest_tokens_that_reach_it(top_p: float, shares: list[float]) -> None:
    kept = nucleus(LOGITS, top_p).exp()[0].tolist()
    assert kept == pytest.approx(shares + [0.0] * (4 - len(shares)), abs=1e-6)
    tokens, logprobs = drawn([0.001, 0.999], Setting(top_p=top_p))
    assert tokens == [0, len(shares) - 1]
    assert logprobs == pytest.approx([math.log(shares[0]), math.log(shares[-1])], abs=1e-6)


def test_every_row_draws_from_its_own_node() -> None:
    logits = torch.tensor([[0.0, -30.0, -30.0], [-30.0, -30.0, 0.0]])
    tokens, _ = draw(logits, torch.tensor([1, 0, 1]), torch.tensor([0.5] * 3, dtype=torch.float64), Setting())
    assert tokens.tolist() == [2, 0, 2]


def test_greedy_takes_the_likeliest_token_with_its_raw_log_prob() -> None:
    tokens, logprobs = drawn([0.999], Setting(temperature=0.0))
    assert tokens == [0]
    assert logprobs == pytest.approx([math.log(0.5)])
    assert Setting(temperature=0.0).logprob_semantics == "raw"
    assert Setting(temperature=0.3).logprob_semantics == "processed"


def test_a_token_without_probability_is_never_drawn() -> None:
    logits = torch.tensor([[-torch.inf, 0.0, -torch.inf, 0.0, -torch.inf]])
    for uniform, token in ((2**-49, 1), (0.4999, 1), (0.5001, 3), (1 - 2**-49, 3)):
        tokens, logprobs = draw(logits, torch.tensor([0]), torch.tensor([uniform], dtype=torch.float64), Setting())
        assert tokens.tolist() == [token]
        assert logprobs.tolist() == pytest.approx([math.log(0.5)])


def test_broken_logits_give_no_finite_log_prob() -> None:
    _, logprobs = draw(
        torch.full((1, 4), math.nan), torch.tensor([0]), torch.tensor([0.5], dtype=torch.float64), Setting()
    )
    assert not logprobs.isfinite().any()

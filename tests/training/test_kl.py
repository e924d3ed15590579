"""KL estimators: a hand vector, and gradients against the exact KL of a policy small enough to enumerate (oracle c)."""

import math

import pytest
import torch

from curate.training.kl import k2, k3, kl_term

OLD = torch.tensor([0.1, 0.4, 0.2, 0.25, 0.05]).log()
REF = torch.tensor([0.3, 0.1, 0.25, 0.15, 0.2]).log()
LOGITS = torch.tensor([0.3, -1.0, 0.8, 0.1, -0.4])


def test_the_estimators_of_a_hand_vector() -> None:
    d = torch.tensor([0.0, math.log(2.0), -math.log(2.0), 1.0])
    assert k2(d).tolist() == pytest.approx([0.0, 0.2402265, 0.2402265, 0.5], abs=1e-6)
    assert k3(d).tolist() == pytest.approx([0.0, 0.1931472, 0.3068528, 0.3678794], abs=1e-6)


def test_k3_of_a_tiny_difference_is_not_noise() -> None:
    assert float(k3(torch.tensor(1e-3))) == pytest.approx(4.998e-7, abs=6e-8)
    assert float(k3(torch.tensor(-50.0))) == pytest.approx(math.exp(20.0) - 21.0)


def expected(kind: str, logits: torch.Tensor, *, is_weighted: bool = True) -> tuple[float, torch.Tensor]:
    """Return the term's expectation over old's samples, action by action, and its gradient by the logits."""
    logits = logits.clone().requires_grad_()
    new = logits.log_softmax(-1)
    value = (OLD.exp() * kl_term(kind, new, REF, new - OLD if is_weighted else None)).sum()
    value.backward()
    assert logits.grad is not None
    return float(value.detach()), logits.grad


def exact(logits: torch.Tensor, *, is_reverse: bool = False) -> tuple[float, torch.Tensor]:
    """Return KL(new || ref), or KL(ref || new), and its gradient."""
    logits = logits.clone().requires_grad_()
    new = logits.log_softmax(-1)
    value = (REF.exp() * (REF - new)).sum() if is_reverse else (new.exp() * (new - REF)).sum()
    value.backward()
    assert logits.grad is not None
    return float(value.detach()), logits.grad


@pytest.mark.parametrize("logits", [LOGITS, OLD], ids=["later update", "first update"])
def test_weighted_k3_has_the_value_and_the_gradient_of_the_kl(logits: torch.Tensor) -> None:
    value, gradient = expected("k3", logits)
    exact_value, exact_gradient = exact(logits)
    assert value == pytest.approx(exact_value, abs=1e-6)
    torch.testing.assert_close(gradient, exact_gradient, atol=1e-6, rtol=0)


@pytest.mark.parametrize("logits", [LOGITS, OLD], ids=["later update", "first update"])
def test_weighted_k2_has_the_gradient_of_the_kl(logits: torch.Tensor) -> None:
    torch.testing.assert_close(expected("k2", logits)[1], exact(logits)[1], atol=1e-6, rtol=0)


def test_k3_without_the_ratio_pulls_by_the_reverse_kl_at_first_and_by_none_later() -> None:
    first = expected("k3", OLD, is_weighted=False)[1]
    torch.testing.assert_close(first, exact(OLD, is_reverse=True)[1], atol=1e-6, rtol=0)
    later = expected("k3", LOGITS, is_weighted=False)[1]
    assert float((later - exact(LOGITS)[1]).abs().max()) > 0.05
    assert float((later - exact(LOGITS, is_reverse=True)[1]).abs().max()) > 0.05

"""The local sampler: its log-probs against a full forward pass, its seeds, its ends, and what it refuses."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from curate.errors import ConfigError, SamplerError
from curate.likelihood.model import Scorer
from curate.sampling import local as module
from curate.sampling.completion import Completion, Setting
from curate.sampling.local import LocalSampler
from sampling_case import POSITIONS, tiny_policy

PROMPTS = [[4, 5, 6], [7, 8, 9, 10, 11, 12, 13, 14, 15], [5], [4, 5, 6, 7, 8]]
END = 1


def seeds_of(n_prompts: int, n: int) -> list[list[int]]:
    return [[1000 * place + index for index in range(n)] for place in range(n_prompts)]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_policy(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def sampler(policy: Path) -> LocalSampler:
    return LocalSampler(policy)


def flat(groups: list[list[Completion]]) -> list[Completion]:
    return [completion for group in groups for completion in group]


@pytest.mark.parametrize("temperature", [0.7, 1.0])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("llama", {}),
        ("qwen3", {}),
        ("gpt2", {"n_positions": POSITIONS, "n_embd": 32, "n_layer": 2, "n_head": 4}),
        ("gemma2", {"sliding_window": 8, "final_logit_softcapping": 5.0, "query_pre_attn_scalar": 8}),
        ("mistral", {"sliding_window": 8}),
    ],
)
def test_log_probs_equal_a_forward_pass(
    kind: str, settings: dict[str, Any], temperature: float, tmp_path: Path
) -> None:
    path = tiny_policy(tmp_path / "policy", kind, **settings)
    groups = LocalSampler(path).sample(PROMPTS, seeds_of(4, 6), Setting(temperature, max_new_tokens=30))
    assert {completion.finish_reason for completion in flat(groups)} == {"stop", "length"}
    prompts = [prompt for prompt, group in zip(PROMPTS, groups, strict=True) for _ in group]
    scores = Scorer(path).score(prompts, [completion.ids for completion in flat(groups)], temperature)
    for completion, score in zip(flat(groups), scores, strict=True):
        assert completion.logprobs == pytest.approx(score.logprobs, abs=1e-4)


def test_a_completion_ends_with_its_first_end_token_or_at_the_limit(sampler: LocalSampler) -> None:
    for completion in flat(sampler.sample(PROMPTS, seeds_of(4, 32), Setting(max_new_tokens=20))):
        assert len(completion.ids) == len(completion.logprobs)
        assert END not in completion.ids[:-1]
        assert (completion.ids[-1] == END) == (completion.finish_reason == "stop")
        assert completion.finish_reason == "stop" or len(completion.ids) == 20


def test_the_same_seeds_give_the_same_samples_however_they_are_batched(policy: Path, sampler: LocalSampler) -> None:
    setting = Setting(0.9, max_new_tokens=16)
    groups = sampler.sample(PROMPTS, seeds_of(4, 4), setting)
    assert sampler.sample(PROMPTS, seeds_of(4, 4), setting) == groups
    ids = [[completion.ids for completion in group] for group in groups]
    again = LocalSampler(policy, batch_rows=3).sample(PROMPTS, seeds_of(4, 4), setting)
    assert [[completion.ids for completion in group] for group in again] == ids
    fewer = sampler.sample(PROMPTS[2:], seeds_of(4, 3)[2:], setting)
    assert [[completion.ids for completion in group] for group in fewer] == [group[:3] for group in ids[2:]]
    other = sampler.sample(PROMPTS, [[seed + 4 for seed in own] for own in seeds_of(4, 4)], setting)
    assert all(a.ids != b.ids for a, b in zip(flat(groups), flat(other), strict=True))


def test_tokens_come_as_often_as_the_model_says(sampler: LocalSampler) -> None:
    n = 4000
    groups = sampler.sample([[4, 5, 6]], [list(range(n))], Setting(max_new_tokens=1))
    drawn = Counter(completion.ids[0] for completion in groups[0])
    with torch.no_grad():
        shares = sampler.model(torch.tensor([[4, 5, 6]])).logits[0, -1].softmax(-1).tolist()
    for token, share in enumerate(shares):
        assert abs(drawn[token] / n - share) < 4.5 * math.sqrt(share * (1 - share) / n) + 1 / n


def test_every_prefix_is_read_once_and_what_ended_leaves(
    sampler: LocalSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes: list[tuple[int, ...]] = []
    forward = sampler.model.base_model.forward

    def watched(*arguments: Any, **options: Any) -> Any:
        shapes.append(tuple(options["input_ids"].shape))
        return forward(*arguments, **options)

    monkeypatch.setattr(sampler.model.base_model, "forward", watched)
    groups = sampler.sample(PROMPTS, seeds_of(4, 16), Setting(0.5, max_new_tokens=20))
    prefixes = [sum(len({tuple(c.ids[:n]) for c in group if len(c.ids) > n}) for group in groups) for n in range(1, 20)]
    assert shapes == [(4, 9)] + [(n, 1) for n in prefixes]
    assert max(prefixes) > prefixes[-1] > prefixes[0]


def test_batches_are_bounded_by_rows_and_by_tokens(
    policy: Path, sampler: LocalSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    inner = LocalSampler._sample_batch
    monkeypatch.setattr(
        LocalSampler, "_sample_batch", lambda self, rows, *rest: (sizes.append(len(rows)), inner(self, rows, *rest))[1]
    )
    setting = Setting(max_new_tokens=7)
    LocalSampler(policy, batch_rows=24).sample(PROMPTS, seeds_of(4, 16), setting)
    assert sizes == [24, 24, 16]
    sizes.clear()
    # 16 positions a row with the longest prompt in the batch, 10 before it came
    monkeypatch.setattr(module, "CPU_CACHE_BYTES", 160 * sampler._bytes_a_token())
    sampler.sample(PROMPTS, seeds_of(4, 16), setting)
    assert sum(sizes) == 64
    assert sizes[0] == 16
    assert max(sizes) <= 20


def test_several_end_tokens_and_an_empty_completion(tmp_path: Path) -> None:
    path = tiny_policy(tmp_path / "policy", end_ids=list(range(22)))
    sampler = LocalSampler(path)
    assert sampler.end_ids == list(range(22))
    completions = sampler.sample([[4, 5]], [[0, 1, 2]], Setting(max_new_tokens=9))[0]
    assert [(len(completion.ids), completion.finish_reason) for completion in completions] == [(1, "stop")] * 3
    assert sampler.texts([Completion([END], [-1.0], "stop"), Completion([5, 17, 6, END], [-1.0] * 4, "stop")]) == [
        "",
        "1-2",
    ]


def test_greedy_rows_of_a_group_are_equal_and_the_likeliest(sampler: LocalSampler) -> None:
    group = sampler.sample([[4, 5, 6]], [[3, 4]], Setting(0.0, max_new_tokens=8))[0]
    assert group[0] == group[1]
    with torch.no_grad():
        logits = sampler.model(torch.tensor([[4, 5, 6]])).logits[0, -1]
    assert group[0].ids[0] == int(logits.argmax())
    assert group[0].logprobs[0] == pytest.approx(float(logits.log_softmax(-1).max()), abs=1e-5)


def test_a_prompt_that_cannot_be_sampled_has_a_reason(sampler: LocalSampler) -> None:
    setting = Setting(max_new_tokens=POSITIONS - 4)
    assert sampler.reason([], setting) == "empty_prompt"
    assert sampler.reason([4, 22], setting) == "unknown_token"
    assert sampler.reason([4] * 5, setting) == "prompt_too_long"
    assert sampler.reason([4] * 4, setting) is None
    with pytest.raises(ValueError, match="prompt_too_long"):
        sampler.sample([[4] * 5], [[0]], setting)
    completion = sampler.sample([[4] * 4], [[11]], setting)[0][0]
    assert len(completion.ids) <= POSITIONS - 4


def test_a_broken_model_is_an_error(policy: Path) -> None:
    sampler = LocalSampler(policy)
    with torch.no_grad():
        sampler.model.lm_head.weight[3] = math.nan
    with pytest.raises(SamplerError, match="not finite"):
        sampler.sample([[4]], [[0]], Setting(max_new_tokens=3))


def test_a_device_that_is_full_says_what_to_lower(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = LocalSampler(policy, batch_rows=8)

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(sampler, "_prefill", full)
    with pytest.raises(ConfigError, match=r"8 rows at a time .* lower --batch-rows"):
        sampler.sample([[4]], [[0]], Setting(max_new_tokens=3))


def test_a_model_without_a_known_cache_is_refused(tmp_path: Path) -> None:
    path = tiny_policy(tmp_path / "policy", "mamba", state_size=8)
    with pytest.raises(ConfigError, match="'mamba'"):
        LocalSampler(path).sample([[4]], [[0]], Setting(max_new_tokens=3))


def test_a_limit_cuts_a_completion_as_a_shorter_setting_would(sampler: LocalSampler) -> None:
    seeds, setting = seeds_of(4, 6), Setting(max_new_tokens=20)
    whole = sampler.sample(PROMPTS, seeds, setting)
    limits = [3, 20, 1, 7]
    cut = sampler.sample(PROMPTS, seeds, setting, limits)
    for full, short, limit in zip(whole, cut, limits, strict=True):
        assert [each.ids for each in short] == [each.ids[:limit] for each in full]
        ended = ["stop" if each.ids[limit - 1 : limit] == [END] or len(each.ids) < limit else "length" for each in full]
        assert [each.finish_reason for each in short] == [
            each.finish_reason if len(each.ids) <= limit else reason for each, reason in zip(full, ended, strict=True)
        ]


def test_a_limit_makes_room_where_prompt_and_longest_completion_would_not_fit(sampler: LocalSampler) -> None:
    long = [4] * (POSITIONS - 5)
    with pytest.raises(ValueError, match="prompt_too_long"):
        sampler.sample([long, [5]], [[1], [2]], Setting(max_new_tokens=20))
    found = sampler.sample([long, [5]], [[1], [2]], Setting(max_new_tokens=20), [5, 20])
    assert len(found[0][0].ids) <= 5


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_the_likeliest_tokens_of_each_position(policy: Path, temperature: float) -> None:
    plain = LocalSampler(policy).sample(PROMPTS, seeds_of(4, 3), Setting(temperature, max_new_tokens=12))
    found = LocalSampler(policy, top_k=22).sample(PROMPTS, seeds_of(4, 3), Setting(temperature, max_new_tokens=12))
    for one, other in zip(flat(found), flat(plain), strict=True):
        assert one.ids == other.ids
        assert one.topk_ids is not None
        assert one.topk_logprobs is not None
        assert len(one.topk_ids) == len(one.ids)
        for ids, values, token, logprob in zip(one.topk_ids, one.topk_logprobs, one.ids, one.logprobs, strict=True):
            assert sorted(ids) == list(range(22))
            assert values == sorted(values, reverse=True)
            assert sum(map(math.exp, values)) == pytest.approx(1, abs=1e-5)
            assert values[ids.index(token)] == pytest.approx(logprob, abs=1e-6)
    assert flat(plain)[0].topk_ids is None


def test_more_likeliest_tokens_than_there_are_are_refused(policy: Path) -> None:
    with pytest.raises(ConfigError, match="has 22 tokens: lower --top-k-logprobs 23"):
        LocalSampler(policy, top_k=23)

"""docs/online.md: its trainer, run on the embedded policy by the installed TRL (written against 1.16.0)."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import curate
from curate.reweighting import recipes
from curate.reweighting.recipe import Recipe

pytestmark = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")

PAGE = Path(__file__).parents[1] / "docs" / "online.md"
G = 4


def shown_trainer() -> Any:
    """Return the class of the page's code block."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    scope: dict[str, Any] = {"__name__": "online"}
    exec(code, scope)
    return scope["RecipeTrainer"]


def solved(completions: list[str], answer: list[str], **_: Any) -> list[float]:
    """Give 1 for a solution, else 0."""
    from curate.tasks.verify import compare, extract

    outcomes = [compare(extract(text), right).outcome for text, right in zip(completions, answer, strict=True)]
    return [float(outcome == "correct") for outcome in outcomes]


def train(recipe: Recipe, out: Path, **settings: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Train for two steps; return the trainer and what it gave the loss, a dict of tensors for each generated batch."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig

    from curate.tasks.generate import problems
    from curate.verbs.lookup import POLICIES

    batches: list[dict[str, Any]] = []

    class Watched(shown_trainer()):  # type: ignore[misc]
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            batch = super()._generate_and_score_completions(inputs)
            batches.append({**batch, "scores": self.scores, "means": mean_logprobs(self.model, batch)})
            return batch

    Watched.recipe = recipe
    asked = problems(8, 11, "heldout")
    folder = POLICIES / "countdown-strong"
    trainer = Watched(
        model=AutoModelForCausalLM.from_pretrained(folder, dtype="float32"),
        reward_funcs=solved,
        args=GRPOConfig(
            output_dir=str(out),
            max_steps=2,
            per_device_train_batch_size=4 * G,
            num_generations=G,
            max_completion_length=32,
            learning_rate=1e-3,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            seed=5,
            **settings,
        ),
        train_dataset=Dataset.from_list([{"prompt": each.prompt, "answer": each.text} for each in asked]),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    trainer.train()
    return trainer, batches


def mean_logprobs(model: Any, batch: dict[str, Any]) -> list[float]:
    """Return the mean log-prob of each completion, one forward pass a row, without padding."""
    import torch

    means = []
    for prompt, asked, completion, mask in zip(
        *(batch[name] for name in ("prompt_ids", "prompt_mask", "completion_ids", "completion_mask")), strict=True
    ):
        first, tokens = prompt[asked.bool()], completion[mask.bool()]
        with torch.no_grad():
            logits = model(torch.cat([first, tokens])[None]).logits[0, len(first) - 1 : -1]
        means.append(float(logits.log_softmax(-1).gather(1, tokens[:, None]).mean()))
    return means


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps_per_generation", [1, 2], ids=["aligned", "stale"])
def test_the_shown_trainer_trains_by_the_recipe(tmp_path: Path, steps_per_generation: int) -> None:
    recipe = recipes.unlikely_grpo(beta_rank=0.25)
    trainer, batches = train(recipe, tmp_path, steps_per_generation=steps_per_generation)
    assert trainer.state.global_step == 2
    assert [("old_per_token_logps" in batch) for batch in batches] == [steps_per_generation == 2] * len(batches)
    assert any(advantage != 0 for batch in batches for advantage in batch["advantages"].tolist())
    for batch in batches:
        assert batch["advantages"].tolist() == pytest.approx(expected(batch, recipe), abs=1e-6)


def expected(batch: dict[str, Any], recipe: Recipe) -> list[float]:
    """Return the advantages that ``reweight`` gives the rows of a batch, 0 where it drops them."""
    rewards = batch["scores"][:, 0].tolist()
    rows = {
        "group_id": [i // G for i in range(len(rewards))],
        "sample_index": range(len(rewards)),
        "reward": rewards,
        "mean_logprob": batch["means"],
    }
    return curate.reweight(pl.DataFrame(rows), recipe)["advantage"].fill_null(0.0).to_list()

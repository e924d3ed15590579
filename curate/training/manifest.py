"""What a finished run leaves: a checkpoint that loads by itself, and the manifest of how it was made."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.jobrecord import versions
from curate.models.fingerprint import fingerprint
from curate.parts import read_footer
from curate.training.order import Order
from curate.training.policy import Policy
from curate.training.progress import LOG_FILE
from curate.training.reading import Found
from curate.training.workplace import Workplace

if TYPE_CHECKING:
    from curate.training.run import Run
    from curate.training.trainer import OfflineTrainer

# Copied byte by byte: a tokenizer that is loaded and saved again need not be the same.
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template*",
)


def export(policy: Policy, model: Path, place: Workplace) -> Path:
    """Write the trained model, its tokenizer and the log to a folder and return it; an adapter is merged into the model
    and also kept by itself, in ``adapter/``.
    """
    result = place.folder / "result"
    trained = policy.model
    if hasattr(trained, "merge_and_unload"):
        trained.save_pretrained(result / "adapter")
        trained = trained.merge_and_unload()
    trained.save_pretrained(result)
    for pattern in TOKENIZER_FILES:
        for file in model.glob(pattern):
            if file.is_file():
                shutil.copy(file, result / file.name)
    shutil.copy(place.folder / LOG_FILE, result / LOG_FILE)
    return result


def manifest(
    run: Run,
    trainer: OfflineTrainer,
    order: Order,
    found: Found,
    mode: str | None,
    start: dict[str, Any],
    end: dict[str, Any],
    seconds: float,
    result: Path,
) -> dict[str, Any]:
    """Return everything that tells how a checkpoint was made and how far it went."""
    progress = trainer.progress
    return {
        "job": asdict(run.record),
        "command": run.record.command_for(run.data),
        "dataset": str(run.data.root),
        "parts": {str(ref): _part_ids(run, ref) for ref in (run.samples, run.lessons)},
        "recipe": _recipe(run),
        "arguments": run.settings.as_dict(),
        "behaviour": mode,
        "treated_as_on_policy": mode == "recompute",
        "model": {"path": str(run.model), "fingerprint": None if run.settings.from_scratch else fingerprint(run.model)},
        "result": {"fingerprint": fingerprint(result)},
        "versions": versions(),
        "rows": {
            "in": found.rows_in,
            "trained": len(trainer.collator.rows),
            "dropped": dict(found.dropped),
            "left_out": dict(found.left_out),
            "text_only": found.n_text_only,
            "no_temperature": found.n_no_temperature,
        },
        "pairs": _pairs(order, found) if run.settings.objective.is_pairwise else None,
        "adversary": trainer.adversary.figures if trainer.adversary else None,
        "steps": trainer.state.global_step,
        "skipped_steps": progress.skipped,
        "not_finite_steps": progress.not_finite,
        "epochs": trainer.state.global_step / trainer.order.steps_per_epoch,
        "trained_tokens": progress.tokens,
        "start": start,
        "end": end,
        "stopped": trainer.stopped or "all steps done",
        "processes": trainer.args.world_size,
        "device": str(trainer.args.device),
        "seconds": round(seconds, 1),
    }


def _pairs(order: Order, found: Found) -> dict[str, Any]:
    return {"in": found.pairs_in, "trained": len(order.lengths), "left_out": dict(found.pairs_left_out)}


def _part_ids(run: Run, ref: Any) -> dict[str, str]:
    return {name: read_footer(run.data.part(ref, name)).content_id for name in run.data.parts(ref)}


def _recipe(run: Run) -> dict[str, Any]:
    about = read_footer(run.data.part(run.lessons, run.data.parts(run.lessons)[0])).about
    return {"variant": run.lessons.variant, **{key: about.get(key) for key in ("recipe", "parameters", "source")}}

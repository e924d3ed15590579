"""The transformers Trainer with an offline policy loss: what a step is divided by, when it is skipped, what is kept."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from curate.parts import sync_folder
from curate.training.adversary import Adversary
from curate.training.aggregate import share_of_n
from curate.training.collate import Batch, Collator, on_device
from curate.training.losses import policy_loss, token_means
from curate.training.measure import merged, put, statistics, sum_over_ranks
from curate.training.objective import Objective
from curate.training.order import Batches, Order
from curate.training.pairs import PairCollator, Pairs, pair_loss
from curate.training.policy import Policy
from curate.training.progress import Log, Progress, renamed
from curate.training.settings import Settings

WEIGHTS = "weights.safetensors"


class OfflineTrainer(Trainer):
    """Minimise ``policy_loss`` over stored rows, or ``pair_loss`` over ``pairs`` of them.

    Every micro-batch's loss is W * local sum / N with N counted over the whole accumulation window on all ranks, so
    gradients are the same however a step is cut. ``old`` and the like are in the collator. Checkpoints go to
    ``work/checkpoints``, each renamed there when it is whole.
    """

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        policy: Policy,
        arguments: Any,
        settings: Settings,
        collator: Collator,
        order: Order,
        work: Path,
        pairs: Pairs | None = None,
        adversary: Adversary | None = None,
    ) -> None:
        self._places: Any = range(len(order.lengths))
        collate = collator if pairs is None else PairCollator(collator, pairs)
        super().__init__(model=policy, args=arguments, data_collator=collate, train_dataset=self._places)
        self.policy = policy
        self.settings = settings
        self.objective: Objective = settings.objective
        self.collator = collator
        self.order = order
        self.adversary = adversary
        self.work = work
        self.batches = Batches(order, self.args.process_index)
        self.progress = Progress(np.full(len(collator.rows.tokens), np.nan, np.float32))
        self.start_drift = 0.0
        self.stopped: str | None = None
        self.step_log: Log | None = None
        self.last_line: dict[str, Any] = {}
        self._sums: dict[str, float] = {}
        self._loss = 0.0
        self._grad_norm = math.nan
        self._is_skipped = False
        self._step_started = time.monotonic()
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        if not self.args.disable_tqdm:
            self.add_callback(_Bar())
        self.add_callback(_Steps(self))

    # --- data -----------------------------------------------------------------------------------------------------

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the loader of this rank's micro-batches; accelerate must not deal them a second time."""
        return DataLoader(self._places, batch_sampler=self.batches, collate_fn=self.data_collator)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Batch], num_batches: int, device: Any
    ) -> tuple[list[Batch], Any]:
        """Return the micro-batches of one step and N, counted after every mask over all of them on all ranks."""
        batches = [batch for _, batch in zip(range(num_batches), epoch_iterator, strict=False)]
        if self.adversary and batches:
            self.adversary.weigh(batches, self.args.device)
        shares = torch.tensor(sum(map(self._share, batches)), dtype=torch.float64)
        return batches, float(sum_over_ranks(shares, self.args.device))

    def _share(self, batch: Batch) -> float:
        if self.objective.is_pairwise:
            return float(batch["is_pair"].sum())
        return share_of_n(
            self.objective,
            batch["mask"],
            weights_B=batch["weights"],
            old_BT=batch.get("old"),
            behaviour_BT=batch.get("behaviour"),
        )

    # --- loss -----------------------------------------------------------------------------------------------------

    def compute_loss(
        self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return this micro-batch's share of the step's loss; ``num_items_in_batch`` is N."""
        batch = on_device(inputs, self.args.device)
        new_BT, entropy_BT = model(batch, with_entropy=True)
        loss, sums = self._loss_of(batch, new_BT, entropy_BT, num_items_in_batch)
        for name, value in sums.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._loss += float(loss.detach()) / self.args.world_size
        if self.adversary and "dro" in batch:
            self.adversary.learn_from(batch, new_BT.detach())
        self._remember(batch, new_BT.detach())
        return (loss, new_BT) if return_outputs else loss

    def _loss_of(
        self, batch: Batch, new_BT: torch.Tensor, entropy_BT: torch.Tensor | None, denominator: float
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss of rows or of pairs, and its sums."""
        known: dict[str, Any] = {"denominator": denominator, "world_size": self.args.world_size}
        known |= {"entropy_BT": entropy_BT, "old_BT": batch.get("old"), "ref_BT": batch.get("ref")}
        mask_BT = batch["mask"]
        if self.objective.is_pairwise:
            of_pairs = (batch["target"], batch["smoothing"], batch["is_pair"])
            return pair_loss(self.objective, new_BT, mask_BT, *of_pairs, weights_P=batch.get("dro"), **known)
        known |= {"behaviour_BT": batch.get("behaviour"), "kl_scale_B": batch.get("kl_scale")}
        weights_B = batch["weights"] * batch.get("dro", 1.0)
        return policy_loss(self.objective, new_BT, batch["advantages"], mask_BT, weights_B=weights_B, **known)

    def prediction_step(
        self, model: Any, inputs: Batch, prediction_loss_only: bool, ignore_keys: list[str] | None = None
    ) -> tuple[Any, None, None]:
        """Return the loss of one batch by itself, for evaluation on rows like those that train."""
        with torch.no_grad():
            loss = self.compute_loss(model, inputs, num_items_in_batch=self._share(inputs))
        self._sums, self._loss = {}, 0.0
        return loss / self.args.world_size, None, None

    def _remember(self, batch: Batch, new_BT: torch.Tensor) -> None:
        """Keep the log-probs that the loss saw, for the epoch's statistics."""
        rows = batch["row"].cpu().numpy()
        if rows[0] >= 0:
            put(self.progress.new, self.collator.rows, rows, new_BT.cpu().numpy())

    # --- steps ----------------------------------------------------------------------------------------------------

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Drop the gradients of a step that is to be skipped; without gradients the optimiser changes nothing."""
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[no-untyped-call]
        self._grad_norm = float(norm)
        limit = self.settings.grad_skip
        self._is_skipped = not math.isfinite(self._grad_norm) or (limit is not None and self._grad_norm > limit)
        if self._is_skipped:
            model.zero_grad(set_to_none=True)
        return norm

    def finish_step(self) -> None:
        """Sum the step over ranks, count, log, and say whether it was the last."""
        names = sorted(self._sums)
        values = torch.tensor([self._loss, *(self._sums[name] for name in names)], dtype=torch.float64)
        loss, *totals = sum_over_ranks(values, self.args.device).tolist()
        sums = dict(zip(names, totals, strict=True))
        self._sums, self._loss = {}, 0.0
        self.progress.add(sums)
        self.progress.skipped += self._is_skipped
        self.progress.not_finite += not math.isfinite(self._grad_norm)
        now = time.monotonic()
        seconds, self._step_started = now - self._step_started, now
        self.last_line = {
            "step": self.state.global_step,
            "epoch": self.state.global_step / self.order.steps_per_epoch,
            "loss": loss,
            "grad_norm": self._grad_norm,
            "is_skipped": self._is_skipped,
            "learning_rate": self._get_learning_rate(),
            **renamed(token_means(sums)),
            "all_tokens": self.progress.tokens,
            "seconds": round(seconds, 4),
        }
        if self.adversary:
            self.adversary.step(self.args.device, is_skipped=self._is_skipped)
            self.last_line |= self.adversary.figures
        if self.step_log:
            self.step_log.write(self.last_line)
        if self.state.global_step % self.order.steps_per_epoch == 0:
            self.finish_epoch()
        self._stop_on_drift()

    def finish_epoch(self) -> None:
        """Log the epoch, or what was run of it; nothing where no step was run since the last."""
        if not self.progress.epoch_sums:
            return
        line = {
            "step": self.state.global_step,
            "epochs": math.ceil(self.state.global_step / self.order.steps_per_epoch),
            **renamed(token_means(self.progress.epoch_sums)),
        }
        if self.collator.old is not None:
            new = merged(self.progress.new, self.args.device)
            line |= statistics(self.collator.rows, new, self.collator.old)
        self.progress.begin_epoch()
        if self.step_log:
            self.step_log.write(line)

    def _stop_on_drift(self) -> None:
        drift, limit = self.progress.recent.value, self.settings.max_drift
        if drift is None or limit is None or drift - self.start_drift <= limit:
            return
        self.stopped = f"drift {drift:.4f} nats a token is over {limit:g}" + (
            f" above the {self.start_drift:.4f} at the start" if self.start_drift >= 0.001 else ""
        )
        self.control.should_training_stop = True

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Send transformers' reports our figures too, and keep none of them in memory."""
        if self.args.report_to:
            numbers = {name: value for name, value in self.last_line.items() if isinstance(value, int | float)}
            super().log({**numbers, **logs}, start_time)
        self.state.log_history.clear()

    # --- checkpoints ----------------------------------------------------------------------------------------------

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save into ``work/unfinished`` and rename the whole checkpoint into place; the one before goes."""
        name = f"checkpoint-{self.state.global_step}"
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        self.progress.new = merged(self.progress.new, self.args.device)
        if self.args.should_save:
            unfinished = Path(str(self.args.output_dir)) / name
            self.progress.save(unfinished)
            if self.adversary:
                self.adversary.save(unfinished)
            for file in unfinished.iterdir():
                _sync(file)
            finished = self.work / "checkpoints"
            finished.mkdir(exist_ok=True)
            before = list(finished.iterdir())
            unfinished.rename(finished / name)
            sync_folder(finished)
            for old in before:
                shutil.rmtree(old)
        self.accelerator.wait_for_everyone()

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write the weights that train as they are, once each; ``save_pretrained`` may rename or merge some."""
        folder = Path(str(output_dir or self.args.output_dir))
        folder.mkdir(parents=True, exist_ok=True)
        if self.args.should_save:
            save_file({name: p.detach().contiguous() for name, p in self._trained()}, folder / WEIGHTS)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        stored = load_file(Path(resume_from_checkpoint) / WEIGHTS)
        with torch.no_grad():
            for name, parameter in self._trained():
                parameter.copy_(stored[name])
        self.progress = Progress.load(Path(resume_from_checkpoint))
        if self.adversary:
            self.adversary.load(Path(resume_from_checkpoint))

    def _trained(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, p) for name, p in self.policy.named_parameters() if p.requires_grad)


class _Steps(TrainerCallback):
    """Tell the trainer when an epoch begins and when an optimiser step ends."""

    def __init__(self, trainer: OfflineTrainer) -> None:
        self.trainer = trainer

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.trainer.batches.set_epoch(state.global_step // self.trainer.order.steps_per_epoch)
        return control

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.trainer.finish_step()
        if control.should_training_stop:  # what follows is the finished checkpoint itself
            control.should_save = False
        return control

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        self.trainer.finish_epoch()
        return control


class _Bar(ProgressCallback):
    """transformers' progress bar without the dictionaries it prints to stdout."""

    def on_log(self, *_: Any, **__: Any) -> None:
        pass


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

"""The training loop. It saves its state regularly, so that an interrupted run can be resumed."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from edgeshift._system.files import atomic_write, folder_lock
from edgeshift._system.signals import call_on_stop
from edgeshift.errors import RuntimeMissingError, TrainingError, one_line
from edgeshift.models.network import ShiftNetwork
from edgeshift.training.batches import Batch, load_batches
from edgeshift.training.curve import draw_curve
from edgeshift.training.folder import CURVE, HISTORY, STATE, Run, claim_folder, record_steps
from edgeshift.training.history import History, HistoryEntry, Sums
from edgeshift.training.losses import TrainingNetwork
from edgeshift.training.sound_losses import SoundTrainingNetwork

#: Steps between two entries of the history.
ENTRY_STEPS = 25
#: Entries of the history between two validations.
VALIDATION_ENTRIES = 8
#: Seconds between two saved states. A killed run loses about this time at most.
SAVE_SECONDS = 60.0
#: Largest saved state that is read, bytes. A state holds the weights and, for the optimizer, two moments of each.
MAX_STATE = 4 << 30


def train_network(
    run: Run,
    network: ShiftNetwork,
    *,
    resume: bool = False,
    report: Callable[[HistoryEntry], None],
    advance: Callable[[], None] = lambda: None,
) -> History:
    """Train a network, or resume an interrupted run.

    A resumed run ends with the same weights, bit by bit, as an uninterrupted one on the same machine with the same
    number of threads. A run that is resumed with another number of steps continues with the learning rates of a run of
    that length.

    Args:
        run: the run.
        network: the network with its starting weights. It is trained in place and returned to evaluation mode.
        resume: whether the folder may hold the beginning of this run, which is then continued.
        report: called with each new entry of the history.
        advance: called once for each step, also for the steps before the run was interrupted.

    Returns:
        The complete history.

    Raises:
        TrainingError: the folder holds another run, a saved state is damaged, or the loss is not finite.
        KeyboardInterrupt: the run was stopped by a signal, and its state was saved. Its text says how far the run is.
    """
    earlier_steps = claim_folder(run, resume)
    device = torch.device(run.device)
    torch.manual_seed(run.recipe.seed)
    make = TrainingNetwork if run.recipe.sound is None else SoundTrainingNetwork
    training = make(network, run.recipe, run.data.labels).to(device)
    training.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with folder_lock(run.folder):
        loop = _Loop(run, training)
        loop.restore(earlier_steps)
        if earlier_steps is not None:
            record_steps(run)
        for _ in range(loop.step):
            advance()
        stop: list[bool] = []
        with call_on_stop(lambda: stop.append(True)):
            loop.train(device, lambda: bool(stop), report, advance)
    training.close()
    network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.eval()
    return loop.history


class _Loop:
    """The state of a run: network, optimizer, schedule, step and history."""

    def __init__(self, run: Run, network: TrainingNetwork) -> None:
        recipe = run.recipe
        self.run, self.recipe, self.folder = run, recipe, run.folder
        self.network = network
        self.weights = [p for p in network.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in self.weights if p.ndim > 1], "weight_decay": recipe.decay},
            {"params": [p for p in self.weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.rate, total_steps=max(recipe.steps, 2), pct_start=0.15
        )
        self.step = 0
        self.sums = Sums()
        self.history = History(run.folder / HISTORY)
        self.unread: list[str] = []  # not yet in the history
        self.reported: set[str] = set()  # already in the history
        self.draws_curve = True

    def train(
        self,
        device: torch.device,
        stopped: Callable[[], bool],
        report: Callable[[HistoryEntry], None],
        advance: Callable[[], None],
    ) -> None:
        """Train from the current step to the last one, or until ``stopped`` returns True."""
        saved = monotonic()
        last = self.recipe.steps
        size = self.recipe.batch
        batches = load_batches(self.run.data, self.step * size, last * size, size, self.run.workers)
        for batch, unread in batches:
            self._note_unread(unread)
            self.sums = self.sums.add(self._train_step(batch.to(device)))
            advance()
            if self.step % ENTRY_STEPS == 0 or self.step == last:
                validates = self.step % (ENTRY_STEPS * VALIDATION_ENTRIES) == 0 or self.step == last
                validation = self._validate(device) if validates else None
                try:
                    entry = self.history.append(self.step, self.sums, validation, tuple(self.unread))
                    self._draw_curve()
                except OSError as error:
                    raise _not_written(self.folder, error) from error
                self.sums = Sums()
                self.reported.update(self.unread)
                self.unread.clear()
                report(entry)
            if monotonic() - saved > SAVE_SECONDS or self.step == last or stopped():
                self.save()
                saved = monotonic()
            if stopped():
                raise KeyboardInterrupt(f"stopped after step {self.step} of {last}, which is saved")

    def save(self) -> None:
        """Write everything that is needed to resume the run."""
        state = {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "cuda random": torch.cuda.get_rng_state() if self.run.device == "cuda" else None,
            "entries": len(self.history.entries),
            "sums": msgspec.to_builtins(self.sums),
            "unread": list(self.unread),
        }
        path = self.folder / STATE
        try:
            with atomic_write(path) as part:
                torch.save(state, part)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError if the disk is full
            raise _not_written(path, error) from error

    def restore(self, earlier_steps: int | None = None) -> None:
        """Read the saved state, if there is one.

        Args:
            earlier_steps: number of steps that the run had when it was saved; None: the same number.

        Raises:
            TrainingError: the state is damaged, or belongs to another run, or has more steps than the run.
        """
        path = self.folder / STATE
        if not path.exists():
            self.history.cut(0)
            return
        try:
            if path.stat().st_size > MAX_STATE:
                raise ValueError(f"{path.stat().st_size:,} bytes are more than the limit of {MAX_STATE:,}")
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["random"])
            if state["cuda random"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["cuda random"])
            if int(state["entries"]) > len(self.history.entries):
                raise ValueError(f"{HISTORY} has fewer entries than the state")
            self.step = int(state["step"])
            self.sums = msgspec.convert(state["sums"], Sums)
            self.history.cut(int(state["entries"]))
            self.unread = [str(line) for line in state["unread"]]
            self.reported = {line for entry in self.history.entries for line in entry.unread}
            if earlier_steps is not None and self.step < self.recipe.steps:
                self._reschedule()
        except Exception as error:  # a damaged file raises errors of any type
            raise TrainingError(
                f"{path}: the run cannot be resumed from it: {one_line(error)}; remove the folder to start again"
            ) from error
        if earlier_steps is not None and self.step >= self.recipe.steps:
            raise TrainingError(
                f"{self.folder}: the run is at step {self.step}: give more than {self.step} --steps to extend it, or "
                f"--steps {earlier_steps}"
            )

    def _reschedule(self) -> None:
        """Give the optimizer the learning rate that a run with the new number of steps has at this step."""
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, self.recipe.rate, total_steps=max(self.recipe.steps, 2), pct_start=0.15
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns about a schedule that advances without the optimizer
            for _ in range(self.step):
                self.schedule.step()

    def _train_step(self, batch: Batch) -> dict[str, float]:
        recipe = self.recipe
        self.network.prepare(settled=self.step >= recipe.steps * (1 - recipe.settle))
        device = batch.clips.device.type
        # bfloat16 is faster on GPUs that support it; float32 is faster elsewhere.
        mixed = device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        with torch.autocast(device, torch.bfloat16, enabled=mixed):
            losses = self.network.losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        values = _numbers(losses)
        if not math.isfinite(values["total"]):
            raise TrainingError(
                f"the loss is {values['total']} at step {self.step}: the training failed; a lower --rate may help"
            )
        return values

    @torch.inference_mode()
    def _validate(self, device: torch.device) -> Sums:
        self.network.eval()
        total = Sums()
        size = self.recipe.batch
        for begin in range(0, self.run.validation_count, size):
            indices = range(begin, min(begin + size, self.run.validation_count))
            sequences = [self.run.validation[index] for index in indices]
            self._note_unread(line for sequence in sequences for line in sequence.unread)
            total = total.add(_numbers(self.network.losses(Batch.of(sequences).to(device))))
        return msgspec.structs.replace(total, clips=getattr(self.run.validation, "clips", 0))

    def _note_unread(self, unread: Iterable[str]) -> None:
        """Add unreadable clips to the next entry of the history, unless the history has them already."""
        self.unread.extend(line for line in dict.fromkeys(unread) if line not in {*self.unread, *self.reported})

    def _draw_curve(self) -> None:
        if self.draws_curve:
            try:
                draw_curve(self.history.entries, self.folder / CURVE)
            except RuntimeMissingError as error:
                self.draws_curve = False
                sys.stderr.write(f"edgeshift: note: no {CURVE}: {error}\n")


def _not_written(path: Path, error: Exception) -> TrainingError:
    reason = (error.strerror if isinstance(error, OSError) else None) or one_line(error, 120)
    return TrainingError(
        f"{path}: cannot be written: {reason}; is the disk full? The last saved state is complete: make space, and "
        "continue with --resume"
    )


def _numbers(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}

"""The training loop: a run lives in a folder, goes on where it was cut off, and ends as one safetensors file.

recipe.json          what was asked for; a folder belongs to one recipe
last.pt              everything needed to go on, replaced as a whole
history.jsonl        a line of losses and accuracies every few steps
curve.png            the same as a picture
model.safetensors    the result, with what is needed to run and to convert it
"""

from __future__ import annotations

import math
import signal
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import msgspec
import torch
from torch import nn

from edgeshift._system.files import atomic_write, folder_lock
from edgeshift.errors import EdgeshiftError, TrainingError, one_line
from edgeshift.models.network import ShiftNetwork
from edgeshift.training.curve import draw_curve
from edgeshift.training.history import Entry, History, Sums, entry
from edgeshift.training.losses import Batch, Trainee
from edgeshift.training.recipe import Recipe
from edgeshift.training.sequences import Sequence, Sequences

#: Steps between lines of the history.
EVERY = 25
#: Lines of the history between validations.
VALIDATE = 8
#: Seconds between saved states: what a kill can cost in time; it costs nothing else.
SAVE_EVERY = 60.0
#: A state holds the weights and two moments of each: no honest one comes near this.
MAX_STATE = 4 << 30
RECIPE, STATE, HISTORY, CURVE, RESULT = "recipe.json", "last.pt", "history.jsonl", "curve.png", "model.safetensors"


@dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
        recipe: its numbers. folder: where it lives.
        start: name and hash of the weights it starts from.
        data, validation: what it learns from, and what it is watched on (sequences 0 to ``checks``).
        checks: sequences of a validation.
        device: "cpu" or "cuda". workers: processes that prepare sequences.
        changes: what is done to the data, in words.
    """

    recipe: Recipe
    folder: Path
    start: str
    data: Sequences
    validation: Sequences
    checks: int = 32
    device: str = "cpu"
    workers: int = 1
    changes: str = ""


def train(run: Run, network: ShiftNetwork, *, resume: bool = False, report: Callable[[Entry], None]) -> History:
    """Train ``network`` as the recipe says, or go on with a run that was cut off.

    The result of a run that was cut off and resumed is, bit for bit, that of one that was not (on one machine, with
    as many threads).

    Args:
        run: what to do.
        network: with its starting weights; trained in place.
        resume: the folder may hold a run of the same recipe, data and start.
        report: called every ``EVERY`` steps, and after each validation.

    Returns:
        The whole history. The result is in ``network``, in evaluation mode.

    Raises:
        TrainingError: a folder that holds another run, or a loss that is no number.
        KeyboardInterrupt: asked to stop; the state is saved first.
    """
    _claim(run, resume)
    device = torch.device(run.device)
    torch.manual_seed(run.recipe.seed)
    trainee = Trainee(network, run.recipe, run.data.labels).to(device)
    trainee.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with folder_lock(run.folder):
        loop = _Loop(run, trainee)
        loop.restore()
        with _stop_softly() as stopped:
            loop.run(device, stopped, report)
    trainee.close()
    network.to("cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    network.eval()
    return loop.history


class _Loop:
    """The state of a run: trainee, optimizer, schedule, step, history."""

    def __init__(self, run: Run, trainee: Trainee) -> None:
        recipe = run.recipe
        self.folder, self.recipe, self.source = run.folder, recipe, run
        self.trainee = trainee
        self.weights = [p for p in trainee.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in self.weights if p.ndim > 1], "weight_decay": recipe.decay},
            {"params": [p for p in self.weights if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=recipe.rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, recipe.rate, total_steps=max(recipe.steps, 2), pct_start=0.15
        )
        self.step = 0
        self.since = Sums()
        self.history = History(run.folder / HISTORY)
        self.unread: list[str] = []
        self.known: set[str] = set()

    def run(self, device: torch.device, stopped: Callable[[], bool], report: Callable[[Entry], None]) -> None:
        saved = monotonic()
        last = self.recipe.steps
        for batch in self._batches(device):
            self.since = self.since.add(self._learn(batch))
            if self.step % EVERY == 0 or self.step == last:
                checked = self.step % (EVERY * VALIDATE) == 0 or self.step == last
                validation = self._validate(device) if checked else None
                line = entry(self.step, self.since, validation, tuple(self.unread))
                self.since = Sums()
                self.known.update(self.unread)
                self.unread.clear()
                self.history.append(line)
                draw_curve(self.history.entries, self.folder / CURVE)
                report(line)
            if monotonic() - saved > SAVE_EVERY or self.step == last or stopped():
                self.save()
                saved = monotonic()
            if stopped():
                raise KeyboardInterrupt

    def _learn(self, batch: Batch) -> dict[str, float]:
        recipe = self.recipe
        self.trainee.prepare(settled=self.step >= recipe.steps * (1 - recipe.settle))
        with _mixed(batch.clips.device):
            losses = self.trainee.losses(batch)
        self.optimizer.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, recipe.clip)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        values = losses.values()
        if not math.isfinite(values["total"]):
            raise TrainingError(
                f"the loss is {values['total']} at step {self.step}: the training failed; a lower --rate may help"
            )
        return values

    @torch.inference_mode()
    def _validate(self, device: torch.device) -> Sums:
        self.trainee.eval()
        total = Sums()
        per = self.recipe.batch
        for begin in range(0, self.source.checks, per):
            indices = range(begin, min(begin + per, self.source.checks))
            found = [self.source.validation[index] for index in indices]
            self._note(line for one in found for line in one.unread)
            total = total.add(self.trainee.losses(Batch.of(found).to(device)).values())
        return total

    def _batches(self, device: torch.device) -> Iterator[Batch]:
        dataset = _Upcoming(self.source.data, self.step * self.recipe.batch, self.recipe.steps * self.recipe.batch)
        loader = torch.utils.data.DataLoader(
            dataset,
            batch_size=self.recipe.batch,
            num_workers=self.source.workers,
            collate_fn=_together,
            worker_init_fn=_one_thread,
            prefetch_factor=4 if self.source.workers else None,
            # Not forked: threads of OpenCV, torch or a runtime that were there before do not survive that.
            multiprocessing_context="spawn" if self.source.workers else None,
            # Workers must not share the generator that dropout uses: a resumed run could not go on alike.
            generator=torch.Generator(),
        )
        for found in loader:
            if isinstance(found, str):
                raise TrainingError(found)
            batch, unread = found
            self._note(unread)
            yield batch.to(device)

    def _note(self, unread: Iterable[str]) -> None:
        """Remember what cannot be read, for the next line of the history."""
        self.unread.extend(line for line in dict.fromkeys(unread) if line not in {*self.unread, *self.known})

    def save(self) -> None:
        """Write all that is needed to go on."""
        state = {
            "step": self.step,
            "trainee": self.trainee.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "cuda random": torch.cuda.get_rng_state() if self.source.device == "cuda" else None,
            "lines": len(self.history.entries),
            "since": msgspec.to_builtins(self.since),
            "unread": list(self.unread),
        }
        with atomic_write(self.folder / STATE) as part:
            torch.save(state, part)

    def restore(self) -> None:
        """Go on from the saved state, if there is one."""
        path = self.folder / STATE
        if not path.exists():
            self.history.cut(0)
            return
        try:
            if path.stat().st_size > MAX_STATE:
                raise ValueError(f"{path.stat().st_size:,} bytes are too many")
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            self.trainee.load_state_dict(state["trainee"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            torch.set_rng_state(state["random"])
            if state["cuda random"] is not None and torch.cuda.is_available():
                torch.cuda.set_rng_state(state["cuda random"])
            if int(state["lines"]) > len(self.history.entries):
                raise ValueError(f"{HISTORY} does not belong to it")
            self.step = int(state["step"])
            self.since = msgspec.convert(state["since"], Sums)
            self.history.cut(int(state["lines"]))
            self.unread = [str(line) for line in state.get("unread", [])]
            self.known = {line for one in self.history.entries for line in one.unread}
        except Exception as error:
            raise TrainingError(
                f"{path}: cannot go on from it: {one_line(error)}; remove the folder to start anew"
            ) from error


class _Upcoming(torch.utils.data.Dataset["Sequence | str"]):
    """The sequences from ``start`` to ``stop``."""

    def __init__(self, data: Sequences, start: int, stop: int) -> None:
        self.data, self.start, self.stop = data, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Sequence | str:
        try:
            return self.data[self.start + index]
        except EdgeshiftError as error:
            return str(error)  # an error that is raised in a worker arrives as that worker's traceback


def _together(found: list[Sequence | str]) -> tuple[Batch, tuple[str, ...]] | str:
    """A batch and what of it could not be read, or what went wrong with one of its sequences."""
    wrong = next((one for one in found if isinstance(one, str)), None)
    if wrong is not None:
        return wrong
    whole = [one for one in found if not isinstance(one, str)]
    return Batch.of(whole), tuple(line for one in whole for line in one.unread)


def _claim(run: Run, resume: bool) -> None:
    """Make the folder this run's own."""
    wanted = {
        "recipe": msgspec.to_builtins(run.recipe),
        "start": run.start,
        "data": run.data.source,
        "validation": run.validation.source,
        "changes": run.changes,
        "labels": list(run.data.labels),
        # Other versions of what draws or reads frames give other frames.
        "first frames": f"{zlib.crc32(run.data[0].frames.tobytes()):08x}",
    }
    path = run.folder / RECIPE
    if path.exists():
        if not resume:
            raise TrainingError(f"{run.folder} holds a run already: go on with it (--resume), or give another --out")
        try:
            found = msgspec.json.decode(path.read_bytes())
        except (msgspec.DecodeError, OSError) as error:
            raise TrainingError(
                f"{path}: cannot be read: {one_line(error)}; remove the folder to start anew"
            ) from error
        if found != wanted:
            keys = [key for key in wanted if not isinstance(found, dict) or found.get(key) != wanted[key]]
            raise TrainingError(f"{run.folder} holds a run of another {keys[0]}: give the same one, or another --out")
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(wanted)))


@contextmanager
def _stop_softly() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask to stop at the end of a step; a second one stops at once."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def _mixed(device: torch.device) -> Iterator[None]:
    """bfloat16 where a GPU has it; float32 elsewhere, where it is faster."""
    if device.type != "cuda" or not torch.cuda.is_bf16_supported(including_emulation=False):
        yield
        return
    with torch.autocast("cuda", torch.bfloat16):
        yield


def _one_thread(_worker: int) -> None:
    from edgeshift.video.fit import opencv

    opencv("training").setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the loop decides
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as does this; workers end with the loop

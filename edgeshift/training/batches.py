"""Batches of sequences, prepared by worker processes while the network trains."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from edgeshift.errors import EdgeshiftError, TrainingError
from edgeshift.training.sequences import Sequence, Sequences
from edgeshift.video.fit import opencv


@dataclass(frozen=True, eq=False)
class Batch:
    """N sequences of T frames with E gestures in all, as tensors.

    The fields that are not listed here are the fields of ``Sequence`` and ``Targets``, stacked.

    Attributes:
        clips: [N, T, 3, H, W], values 0 to 255, in channels-last memory.
        spans: [E, T], weight of each frame in the mean logits of a gesture.
        span_of: [E], index of the sequence that a gesture belongs to.
        span_labels: [E], index of the label of each gesture.
        pictures: pictures of the sounds, [N, 3, H, W]; None: there are no sounds. So are the next two fields.
        sounds: [N], index of each sound.
        gestures: [N], index of the gesture of each sequence.
    """

    clips: Tensor
    labels: Tensor
    weights: Tensor
    spans: Tensor
    span_of: Tensor
    span_labels: Tensor
    motion: Tensor
    motion_weights: Tensor
    pictures: Tensor | None = None
    sounds: Tensor | None = None
    gestures: Tensor | None = None

    @staticmethod
    def of(sequences: list[Sequence]) -> Batch:
        """Stack sequences of the same length."""
        clips = torch.from_numpy(np.stack([s.frames for s in sequences])).permute(0, 1, 4, 2, 3)

        def stack(arrays: list[npt.NDArray[Any]]) -> Tensor:
            return torch.from_numpy(np.stack(arrays))

        counts = [len(s.targets.span_labels) for s in sequences]
        batch = Batch(
            clips,
            stack([s.targets.labels for s in sequences]),
            stack([s.targets.weights for s in sequences]),
            torch.from_numpy(np.concatenate([s.targets.spans for s in sequences])),
            torch.from_numpy(np.repeat(np.arange(len(sequences)), counts)),
            torch.from_numpy(np.concatenate([s.targets.span_labels for s in sequences])),
            stack([s.motion for s in sequences]),
            stack([s.motion_weights for s in sequences]),
        )
        heard = [s.heard for s in sequences if s.heard is not None]
        if not heard:
            return batch
        return replace(
            batch,
            pictures=stack([each.picture for each in heard]).permute(0, 3, 1, 2),
            sounds=torch.tensor([each.sound for each in heard]),
            gestures=torch.tensor([each.gesture for each in heard]),
        )

    def to(self, device: torch.device) -> Batch:
        """Return a copy of the batch on a device, with float32 frames and pictures."""
        moved: dict[str, Any] = {
            name: None if value is None else value.to(device) for name, value in vars(self).items()
        }
        pictures = None if self.pictures is None else moved["pictures"].float()
        return Batch(**{**moved, "clips": moved["clips"].float(), "pictures": pictures})


def load_batches(
    data: Sequences, start: int, stop: int, size: int, workers: int
) -> Iterator[tuple[Batch, tuple[str, ...]]]:
    """Yield the batches of the sequences from index ``start`` up to ``stop``.

    Args:
        data: the sequences.
        start: index of the first sequence.
        stop: index after the last sequence.
        size: sequences in a batch.
        workers: number of processes that prepare sequences; 0: this process prepares them.

    Yields:
        A batch, and the clips that could not be read for it, one line each.

    Raises:
        TrainingError: a sequence cannot be made.
    """
    loader = torch.utils.data.DataLoader(
        _SequenceRange(data, start, stop),
        batch_size=size,
        num_workers=workers,
        collate_fn=_collate,
        worker_init_fn=_prepare_worker,
        prefetch_factor=4 if workers else None,
        # A forked process would lack the threads that OpenCV, torch or a runtime have already started.
        multiprocessing_context="spawn" if workers else None,
        # The loader must not use the generator that dropout uses, or a resumed run would differ.
        generator=torch.Generator(),
    )
    for result in loader:
        if isinstance(result, str):
            raise TrainingError(result)
        yield result


class _SequenceRange(torch.utils.data.Dataset["Sequence | str"]):
    """The sequences from index ``start`` up to ``stop``. A sequence that cannot be made is replaced by its error."""

    def __init__(self, data: Sequences, start: int, stop: int) -> None:
        self.data, self.start, self.stop = data, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: int) -> Sequence | str:
        try:
            return self.data[self.start + index]
        except EdgeshiftError as error:
            return str(error)  # the message of an exception from a worker process would contain its traceback


def _collate(items: list[Sequence | str]) -> tuple[Batch, tuple[str, ...]] | str:
    """Return a batch and the clips that could not be read for it, or the error of one of its sequences."""
    sequences = []
    for item in items:
        if isinstance(item, str):
            return item
        sequences.append(item)
    return Batch.of(sequences), tuple(line for sequence in sequences for line in sequence.unread)


def _prepare_worker(_worker: int) -> None:
    opencv("training").setNumThreads(1)
    torch.set_num_threads(1)
    # Ctrl-C reaches every process of the group. Workers ignore it, because the training loop ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

"""The losses of a network with a sound segment: on all pairs of a batch, and on frames and sounds alone."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeshift.models.network import ShiftNetwork
from edgeshift.models.sound import PairedNorm, fuse, gesture_logits, sound_logits
from edgeshift.training.batches import Batch
from edgeshift.training.losses import TrainingNetwork
from edgeshift.training.recipe import Recipe


class SoundTrainingNetwork(TrainingNetwork):
    """A network with a sound segment, and its losses.

    Without the losses on frames alone and on sounds alone, the network neglects the sound, because T frames weigh more.

    Args:
        network: the network to train. Its dropout rate and its frozen stages are set to those of the recipe.
        recipe: the hyperparameters.
        labels: one label per output: for each gesture, its pairs with each sound.
    """

    def __init__(self, network: ShiftNetwork, recipe: Recipe, labels: tuple[str, ...]) -> None:
        super().__init__(network, recipe, labels)
        assert recipe.sound is not None
        self.weight = recipe.sound.weight
        self.sounds = len(recipe.sounds) + 1  # with quiet
        self._sound_norms = [m.sound for m in network.modules() if isinstance(m, PairedNorm)]
        for norm in self._sound_norms:  # a frozen stage has never seen a sound
            norm.requires_grad_(True)

    def prepare(self, settled: bool) -> None:
        """Switch to training mode; see ``TrainingNetwork.prepare``. Frozen stages train their norms of sounds too."""
        super().prepare(settled)
        for norm in self._sound_norms:
            norm.train(not settled)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses and counts of a batch, named as the fields of ``edgeshift.training.history.Sums``.

        They have these meanings here:

            what is classified          loss       number       number of correct ones
            all pairs                   span       gestures     right
            gestures by frames alone    frame      counted      correct
            sounds alone                sound      sounds       heard
        """
        assert batch.pictures is not None and batch.sounds is not None and batch.gestures is not None
        frames, sounds = self.network.watch_and_hear(batch.clips, batch.pictures)
        pairs = fuse(frames[:, None], sounds[None], self.weight).flatten(0, 1)
        labels = (batch.gestures[:, None] * self.sounds + batch.sounds[None]).flatten()
        smoothing = self.recipe.smoothing
        pair = F.cross_entropy(pairs, labels, label_smoothing=smoothing)
        of_gesture = gesture_logits(frames.mean(1), self.sounds)
        of_sound = sound_logits(sounds, self.sounds)
        frame = F.cross_entropy(of_gesture, batch.gestures, label_smoothing=smoothing)
        sound = F.cross_entropy(of_sound, batch.sounds, label_smoothing=smoothing)
        count = torch.tensor(float(len(batch.clips)))
        return {
            "total": pair + frame + sound,
            "span": pair,
            "frame": frame,
            "sound": sound,
            "right": (pairs.argmax(1) == labels).sum(),
            "gestures": count * count,
            "correct": (of_gesture.argmax(1) == batch.gestures).sum(),
            "counted": count,
            "heard": (of_sound.argmax(1) == batch.sounds).sum(),
            "sounds": count,
        }

"""An artifact whose accuracy is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from edgeshift._system.files import sha256
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import artifact_bytes
from edgeshift.benchmarks.accuracy.clip_sound import Without
from edgeshift.events.default_rule import rule_of
from edgeshift.stream import Model


@dataclass(frozen=True, eq=False)
class Candidate:
    """An artifact to measure.

    Attributes:
        path, sha256: its path, and the hash of the whole file.
        model: the loaded model.
        without: what a network with a sound segment does not get; None: it gets frames and sounds.
        options: the options of the runtime that choose an accelerator, see ``edgeshift.targets.accelerator_options``.
    """

    path: Path
    sha256: str
    model: Model
    without: Without | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def hears(self) -> bool:
        """Whether the network has a sound segment."""
        return self.model.spec.model.sound is not None

    @property
    def rule(self) -> RuleSpec:
        """The artifact's event rule, or the default rule if it has none."""
        return rule_of(self.model.spec)

    @property
    def key(self) -> str:
        """A hash of everything that the result of a clip depends on, apart from the clip itself."""
        spec = self.model.spec
        parts = (self.sha256, self.model.runtime, self.rule, spec.frame_spacing, spec.clip_frames)
        # Parts that a measurement does not have are left out, so that its key is that of earlier versions.
        with_sound = ("with sound", self.without) if self.hears else ()
        chosen = (dict(self.options),) if self.options else ()
        return sha256(msgspec.json.encode((*parts, *with_sound, *chosen)))


def open_candidate(path: Path, without: Without | None = None, options: Mapping[str, str] | None = None) -> Candidate:
    """Load an artifact or a checkpoint. Arguments as the attributes of ``Candidate``, errors of ``edgeshift.load``."""
    from edgeshift.runtimes import load

    options = dict(options or {})
    model = load(path, isolate=True, **options)
    return Candidate(path, sha256(artifact_bytes(path)), model, without, options)

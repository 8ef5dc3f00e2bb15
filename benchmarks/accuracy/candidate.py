"""An artifact whose accuracy is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeshift._system.files import sha256
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import artifact_bytes
from edgeshift.events.default_rule import rule_of
from edgeshift.stream import Model


@dataclass(frozen=True, eq=False)
class Candidate:
    """An artifact to measure: its path, the hash of the whole file, and the loaded model."""

    path: Path
    sha256: str
    model: Model

    @property
    def rule(self) -> RuleSpec:
        """The artifact's event rule, or the default rule if it has none."""
        return rule_of(self.model.spec)

    @property
    def key(self) -> str:
        """A hash of everything that the result of a clip depends on, apart from the clip itself."""
        spec = self.model.spec
        parts = (self.sha256, self.model.runtime, self.rule, spec.frame_spacing, spec.clip_frames)
        return sha256(msgspec.json.encode(parts))


def open_candidate(path: Path) -> Candidate:
    """Load an artifact or a checkpoint. Raise the errors of ``edgeshift.load``."""
    from edgeshift.runtimes import load

    model = load(path, isolate=True)
    return Candidate(path, sha256(artifact_bytes(path)), model)

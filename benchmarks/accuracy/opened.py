"""An artifact to measure the accuracy of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeshift._system.files import sha256
from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import artifact_bytes
from edgeshift.events.spotter import DEFAULT_RULE
from edgeshift.stream import Model


@dataclass(frozen=True, eq=False)
class Candidate:
    """An artifact to measure.

    Attributes:
        path: of the file. sha256: of all of it.
        rule: the artifact's, or ``edgeshift.events.spotter.DEFAULT_RULE`` where it carries none.
    """

    path: Path
    sha256: str
    model: Model

    @property
    def rule(self) -> RuleSpec:
        """What is measured by."""
        return self.model.spec.rule or DEFAULT_RULE

    @property
    def key(self) -> str:
        """What a result depends on besides the clip."""
        spec = self.model.spec
        parts = (self.sha256, self.model.runtime, self.rule, spec.frame_spacing, spec.clip_frames)
        return sha256(msgspec.json.encode(parts))


def open_subject(path: Path) -> Candidate:
    """Load an artifact or a checkpoint. Errors as ``edgeshift.load``."""
    from edgeshift.runtimes import load

    model = load(path)
    return Candidate(path, sha256(artifact_bytes(path)), model)

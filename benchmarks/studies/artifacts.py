"""The artifacts that a study times, converted once and kept in a folder.

A file's name holds a hash of the code that made it and of the tools' versions. After a change of either, it is made
again.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeshift._system.files import atomic_write
from edgeshift._system.progress import ProgressBars
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.benchmarks.studies.naive_conversion import channels_first, naive_step, to_int8, to_tflite
from edgeshift.benchmarks.studies.timing_networks import smooth_clips
from edgeshift.targets import Precision, find_target

if TYPE_CHECKING:
    from edgeshift.benchmarks.studies.pointwise import Pointwise
    from edgeshift.checkpoints import Checkpoint

#: The packages and modules that the content of an artifact depends on.
CODE = (
    "edgeshift.models",
    "edgeshift.converters",
    "edgeshift.shift",
    "edgeshift.targets",
    "edgeshift.artifact",
    "edgeshift.benchmarks.studies.naive_conversion",
    "edgeshift.benchmarks.studies.pointwise",
    "edgeshift.benchmarks.studies.timing_networks",
)
TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer")


class Artifacts:
    """Converts the artifacts that are not in the folder yet.

    Args:
        folder: where artifacts are kept.
        progress: shows what is being converted.
    """

    def __init__(self, folder: Path, progress: ProgressBars) -> None:
        self.folder = folder
        self.progress = progress
        self._digest = _digest()

    def shipped(self, source: Checkpoint, precision: Precision, target: str = "tflite") -> Artifact:
        """The artifact that ``edgeshift convert`` makes of a source, without the parity check.

        An untrained network would fail parity by rounding alone, because its labels are nearly tied. Its times do not
        depend on that.

        Args:
            source: the network to convert.
            precision: "fp32", "fp16" or "int8".
            target: a name in ``edgeshift.targets.TARGETS``.
        """
        config, suffix = source.network.config, find_target(target).suffix
        path = self._path(f"{config.name}_{config.size}_shipped_{precision}", suffix)
        if not path.exists():
            with self.progress.prefixed(f"{path.stem}{suffix}"):
                self._convert(path, source, precision, target)
        return read_artifact(path)

    def naive(self, source: Checkpoint, precision: Precision) -> bytes:
        """The source, converted by the naive route (``naive_conversion``)."""
        config = source.network.config
        return self._plain(
            f"{config.name}_{config.size}_naive", precision, lambda: naive_step(source), lambda: _naive_samples(source)
        )

    def pointwise(self, shape: Pointwise, precision: Precision) -> bytes:
        """A stack of 1x1 convolutions."""
        return self._plain(
            f"pointwise_{shape.side}_{shape.channels}",
            precision,
            lambda: (shape.module(), shape.sample()),
            lambda: [shape.sample()],
        )

    def _convert(self, path: Path, source: Checkpoint, precision: Precision, target: str) -> None:
        from edgeshift.models.deploy import deploy

        # Loaded by name inside the function: studies must import where no converter is installed.
        converters = importlib.import_module("edgeshift.converters")
        roll = importlib.import_module("edgeshift.converters.calibration").roll
        step = deploy(source.network)
        samples = list(roll(step, smooth_clips(source.network.config.size))) if precision == "int8" else []
        record = find_target(target)
        job = converters.Job(
            record, source, step, precision, samples, False, self.progress, backend=record.backend(None)
        )
        lowered = converters.converter_of(record).lower(job)
        spec = msgspec.structs.replace(
            source.describe(target, precision, step),
            input=lowered.input,
            output=lowered.output,
            states=lowered.states,
            graph=lowered.graph,
            tools=lowered.tools,
        )
        write_artifact(path, lowered.body, spec)

    def _plain(
        self, name: str, precision: Precision, make: Callable[[], tuple[Any, Any]], samples: Callable[[], list[Any]]
    ) -> bytes:
        path = self._path(f"{name}_{precision}")
        if not path.exists():
            with self.progress.prefixed(path.stem), self.progress.stage("export"):
                if precision == "int8":
                    body = to_int8(self._plain(name, "fp32", make, samples), samples())
                else:
                    body = to_tflite(*make())
            with atomic_write(path) as temporary:
                temporary.write_bytes(body)
        return path.read_bytes()

    def _path(self, name: str, suffix: str = ".tflite") -> Path:
        return self.folder / f"{name}_{self._digest}{suffix}"


def _naive_samples(source: Checkpoint) -> list[Any]:
    from edgeshift.converters.calibration import roll
    from edgeshift.models.network import Step

    step = Step(source.network).eval()
    return [channels_first(sample) for sample in roll(step, smooth_clips(source.network.config.size))]


def _digest() -> str:
    digest = hashlib.sha256()
    for name in CODE:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None, f"{name} is part of edgeshift"
        origin = Path(spec.origin)
        for path in sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]:
            digest.update(path.read_bytes())
    for tool in TOOLS:
        try:
            digest.update(importlib.metadata.version(tool).encode())
        except importlib.metadata.PackageNotFoundError:
            continue
    return digest.hexdigest()[:10]

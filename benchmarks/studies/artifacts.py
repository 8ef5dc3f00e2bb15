"""The artifacts that a study times. Each is converted once and kept in a folder.

A file's name holds a hash of the code that made it and of the tools' versions. After a change of either, the artifact
is converted again.
"""

from __future__ import annotations

import hashlib
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
    *("edgeshift.models", "edgeshift.converters", "edgeshift.shift", "edgeshift.targets", "edgeshift.artifact"),
    *(f"edgeshift.benchmarks.studies.{name}" for name in ("naive_conversion", "pointwise", "timing_networks")),
)
TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-quantizer")


class Artifacts:
    """Converts the artifacts that are not in the folder yet.

    Args:
        folder: the folder of the artifacts.
        progress: shows the artifact that is being converted.
    """

    def __init__(self, folder: Path, progress: ProgressBars) -> None:
        self.folder = folder
        self.progress = progress
        self._digest = _digest()

    def shipped(self, source: Checkpoint, precision: Precision, target: str = "tflite") -> Artifact:
        """Return the artifact that ``edgeshift convert`` makes from a checkpoint, without the parity check.

        The logits of an untrained network are nearly equal, so rounding alone could change its top-1 label and make the
        parity check fail. Its step time can be measured all the same.

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
        """Return a checkpoint's graph, converted by LiteRT's tools alone (see ``naive_conversion``)."""
        name = f"{source.network.config.name}_{source.network.config.size}_naive"
        return self._graph(name, precision, lambda: naive_step(source), lambda: _naive_samples(source))

    def pointwise(self, shape: Pointwise, precision: Precision) -> bytes:
        """Return the graph of a stack of 1x1 convolutions."""
        name, sample = f"pointwise_{shape.side}_{shape.channels}", shape.sample()
        return self._graph(name, precision, lambda: (shape.module(), sample), lambda: [sample])

    def _convert(self, path: Path, source: Checkpoint, precision: Precision, target: str) -> None:
        from edgeshift.converters import Job, converter_of
        from edgeshift.converters.calibration import roll
        from edgeshift.models.deploy import deploy

        step, record = deploy(source.network), find_target(target)
        samples = list(roll(step, smooth_clips(source.network.config.size))) if precision == "int8" else []
        job = Job(record, source, step, precision, samples, False, self.progress, backend=record.backend(None))
        lowered = converter_of(record).lower(job)
        spec = msgspec.structs.replace(
            source.describe(target, precision, step),
            input=lowered.input,
            output=lowered.output,
            states=lowered.states,
            graph=lowered.graph,
            tools=lowered.tools,
        )
        write_artifact(path, lowered.body, spec)

    def _graph(
        self, name: str, precision: Precision, make: Callable[[], tuple[Any, Any]], samples: Callable[[], list[Any]]
    ) -> bytes:
        """Return a graph that LiteRT's tools convert from ``make() -> (module, example inputs)``."""
        path = self._path(f"{name}_{precision}")
        if not path.exists():
            with self.progress.prefixed(path.stem), self.progress.stage("export"):
                if precision == "int8":
                    body = to_int8(self._graph(name, "fp32", make, samples), samples())
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

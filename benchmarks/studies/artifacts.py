"""The converted files of a benchmark, made once and kept in a folder.

A file's name holds a digest of the code that made it and of the tools' versions: after a change of either, it is
made again.
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
from edgeshift.artifact.file import Artifact, read_artifact, write_artifact
from edgeshift.benchmarks.studies.naive_conversion import channels_first, naive_step, to_int8, to_tflite
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.timing_networks import smooth_clips
from edgeshift.targets import Precision, find_target

if TYPE_CHECKING:
    from edgeshift.benchmarks.studies.pointwise import Pointwise
    from edgeshift.checkpoints.source import Source
    from edgeshift.models.network import Step

#: The code that a file's content depends on: packages, and modules.
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
    """Converts what is asked for and not there yet.

    Args:
        folder: where to keep it.
        notice: to say what is being done.
    """

    def __init__(self, folder: Path, notice: Notice) -> None:
        self.folder = folder
        self.notice = notice
        self._digest = _digest()

    def shipped(self, source: Source, precision: Precision, target: str = "tflite") -> Artifact:
        """What ``edgeshift convert`` makes of a source, less the proof of parity."""
        from edgeshift.models.deploy import deploy

        return self.lowered(source, precision, "shipped", lambda: deploy(source.network), target)

    def lowered(
        self, source: Source, precision: Precision, form: str, step: Callable[[], Step], target: str = "tflite"
    ) -> Artifact:
        """A step of the source, lowered by our converter.

        No parity is proven: labels of an untrained network are a matter of rounding, and times are not.

        Args:
            source: what is converted. precision: to what.
            form: names the step in the file's name.
            step: makes it, if it has to be made.
            target: a name in ``edgeshift.targets.TARGETS``.
        """
        # By name, and only here: benchmarks time finished artifacts and must run where no converter is installed.
        # This one compares ways to convert, so it has to convert.
        converters = importlib.import_module("edgeshift.converters")
        config = source.network.config
        suffix = find_target(target).suffix
        path = self._path(f"{config.name}_{config.size}_{form}_{precision}", suffix)
        if not path.exists():
            with self.notice.about(f"{path.stem}{suffix}"):
                self._lower(path, source, precision, step(), target, converters)
        return read_artifact(path)

    def naive(self, source: Source, precision: Precision) -> bytes:
        """The source by the naive route (``edgeshift.benchmarks.studies.naive_conversion``)."""
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

    def _lower(
        self, path: Path, source: Source, precision: Precision, step: Step, target: str, converters: Any
    ) -> None:
        from edgeshift.converters.calibration import roll

        samples = list(roll(step, smooth_clips(source.network.config.size))) if precision == "int8" else []
        record = find_target(target)
        job = converters.Job(record, source, step, precision, samples, False, self.notice, backend=record.backend(None))
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
            with self.notice.about(path.stem), self.notice.stage("export"):
                if precision == "int8":
                    body = to_int8(self._plain(name, "fp32", make, samples), samples())
                else:
                    body = to_tflite(*make())
            with atomic_write(path) as temporary:
                temporary.write_bytes(body)
        return path.read_bytes()

    def _path(self, name: str, suffix: str = ".tflite") -> Path:
        return self.folder / f"{name}_{self._digest}{suffix}"


def _naive_samples(source: Source) -> list[Any]:
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

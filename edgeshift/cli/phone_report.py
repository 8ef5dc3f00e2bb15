"""What a phone's browser sends, as a report of latency. What browsers hide from pages is said to be hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from edgeshift.apps.phone import TimingPlan
    from edgeshift.apps.phone.job import PhoneArtifact
    from edgeshift.apps.phone.messages import PageOpened, RepeatMeasured
    from edgeshift.benchmarks.devices.facts import Facts
    from edgeshift.benchmarks.latency.result import Mode, Repeat, Report, Settings

#: What a browser tells no page: heat, clocks, energy.
HIDDEN = "not available in browsers"


def browser_report(
    artifact: PhoneArtifact,
    hello: PageOpened,
    settings: Settings,
    repeats: Sequence[RepeatMeasured],
    lost: str | None = None,
) -> Report:
    """The report of one measurement.

    Args:
        artifact: that was served. hello: what the browser said of itself. settings: that were asked for.
        repeats: at least one. lost: why some are missing, if some are.
    """
    import edgeshift
    from edgeshift._system.files import sha256
    from edgeshift.benchmarks.latency.result import ArtifactResult, Report

    first, spec = repeats[0], artifact.spec
    # What ran in truth: a browser without threads runs on one, one whose WebGPU lacks something on the processor.
    options = {"accelerator": first.accelerator, **({"gpu": first.precision} if first.precision else {})}
    return Report(
        device="browser",
        facts=browser_facts(hello, first.accelerator),
        settings=msgspec.structs.replace(settings, threads=first.threads, options=options),
        edgeshift=edgeshift.__version__,
        subjects=(
            ArtifactResult(
                file=artifact.path.name,
                sha256=sha256(artifact.data),
                bytes=len(artifact.data),
                target=spec.target,
                model=spec.model.name,
                precision=spec.precision,
                input=spec.input.shape,
                repeats=tuple(map(_repeat, repeats)),
                lost=lost,
            ),
        ),
    )


def browser_facts(hello: PageOpened, accelerator: str = "cpu") -> Facts:
    """What a browser says of the phone. None names its processor; Chromium on Android names the phone."""
    from edgeshift.benchmarks.devices.facts import Facts

    processor = " ".join(filter(None, [hello.architecture, "processor, which browsers do not name"]))
    return Facts(
        board=hello.model,
        processor=f"GPU: {hello.gpu}" if accelerator == "webgpu" else processor,
        features=(),
        cores=hello.cores,
        memory=None if hello.memory is None else int(hello.memory * (1 << 30)),
        system=", ".join(filter(None, [hello.platform, hello.agent])),
        governors=(),
        clock={},
        temperatures={},
        throttled=None,
        power_mode=None,
    )


def length_of(settings: Settings) -> TimingPlan:
    """Settings as the page is told them."""
    from edgeshift.apps.phone import TimingPlan

    return TimingPlan(
        steps=settings.steps,
        seconds=settings.seconds,
        repeats=settings.repeats,
        fps=settings.fps,
        minutes=settings.minutes,
    )


def browser_settings(
    mode: Mode, *, repeats: int | None = None, fps: float | None = None, minutes: int | None = None, threads: int = 1
) -> Settings:
    """A mode of `edgeshift bench`, with the frames that it takes by default.

    Args:
        mode: its name. repeats, fps, minutes: None: the mode's own; those that it has no use for do not count.
        threads: of the processor.
    """
    from edgeshift.benchmarks.latency.frames import DRAWN
    from edgeshift.benchmarks.latency.mode import FPS, MINUTES, MODES
    from edgeshift.benchmarks.latency.result import Settings

    length = MODES[mode]
    return Settings(
        mode=mode,
        steps=length.steps,
        seconds=length.seconds,
        repeats=repeats or length.repeats,
        fps=(fps or FPS) if mode == "paced" else None,
        minutes=(minutes or MINUTES) if mode == "sustained" else None,
        threads=threads,
        frames=DRAWN,
        width=640,
        height=480,
        max_temperature=80.0,
    )


def _repeat(measured: RepeatMeasured) -> Repeat:
    from edgeshift.benchmarks.latency.result import Energy, Minute, Repeat, SensorReading

    nothing = SensorReading(temperatures={}, clock={}, throttled=None)
    return Repeat(
        load=measured.load,
        first=measured.first,
        warmup=measured.warmup,
        warm=measured.warm,
        pre=measured.pre,
        infer=measured.infer,
        post=measured.post,
        end_to_end=measured.end_to_end,
        seconds=measured.seconds,
        steps=measured.steps if measured.every > 1 else None,
        offered=measured.offered,
        missed=measured.missed,
        minutes=tuple(
            Minute(minute=point.minute, steps=point.steps, p50=point.p50, p90=point.p90, reading=nothing)
            for point in measured.minutes
        ),
        before=nothing,
        after=nothing,
        energy=Energy(reason=HIDDEN),
        runtime=measured.runtime,
        checked=measured.checked,
    )

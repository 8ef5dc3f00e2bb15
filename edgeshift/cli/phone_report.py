"""Make a report of latency from the messages of a phone's page. Facts that browsers hide from pages are marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeshift.apps.phone import TimingPlan
    from edgeshift.apps.phone.job import PhoneArtifact
    from edgeshift.apps.phone.messages import PageOpened, RepeatMeasured
    from edgeshift.benchmarks.devices.facts import Facts
    from edgeshift.benchmarks.latency.result import Repeat, Report, Settings
    from edgeshift.stream.placement import Placement

#: Shown in place of temperatures, clocks and energy, because no browser gives them to a page.
HIDDEN = "not available in browsers"
#: Fields of a repeat that have the same names in the page's message and in the report.
SHARED_FIELDS = (
    *("load", "first", "warmup", "warm", "pre", "infer", "post", "end_to_end", "seconds"),
    *("offered", "missed", "runtime", "checked"),
)


def browser_report(
    artifact: PhoneArtifact,
    page: PageOpened,
    settings: Settings,
    repeats: Sequence[RepeatMeasured],
    lost: str | None = None,
) -> Report:
    """Return the report of one measurement.

    Args:
        artifact: the artifact that was served.
        page: what the browser reported about itself.
        settings: the settings that were requested.
        repeats: the repeats that were measured, at least one.
        lost: why repeats are missing; None: the measurement is complete.
    """
    import msgspec

    import edgeshift
    from edgeshift._system.clock import now
    from edgeshift._system.files import sha256
    from edgeshift._system.text import printable
    from edgeshift.benchmarks.latency.result import ArtifactResult, Report

    first, spec = repeats[0], artifact.spec
    # The browser may use fewer threads than requested, or the CPU instead of WebGPU. The report states what was used.
    options = {"accelerator": first.accelerator, **({"gpu": first.precision} if first.precision else {})}
    return Report(
        device="browser",
        facts=browser_facts(page, first.accelerator),
        settings=msgspec.structs.replace(settings, threads=first.threads, options=options),
        edgeshift=edgeshift.__version__,
        date=now(),
        subjects=(
            ArtifactResult(
                file=printable(artifact.path.name),
                sha256=sha256(artifact.data),
                bytes=len(artifact.data),
                target=spec.target,
                model=spec.model.name,
                precision=spec.precision,
                input=spec.input.shape,
                hop=spec.hop,
                sound=spec.model.sound is not None,
                problems=spec.problems,
                notes=spec.notes,
                repeats=tuple(map(_repeat, repeats)),
                lost=lost,
            ),
        ),
    )


def browser_facts(page: PageOpened, accelerator: str = "cpu") -> Facts:
    """Return the facts that a browser reports. No browser names the processor; Chromium on Android names the phone."""
    from edgeshift.benchmarks.devices.facts import Facts

    processor = " ".join(filter(None, [page.architecture, "processor, which browsers do not name"]))
    return Facts(
        board=page.model,
        processor=f"GPU: {page.gpu}" if accelerator == "webgpu" else processor,
        features=(),
        cores=page.cores,
        memory=None if page.memory is None else int(page.memory * (1 << 30)),
        system=", ".join(filter(None, [page.platform, page.agent])),
        governors=(),
        clock={},
        temperatures={},
        throttled=None,
        power_mode=None,
    )


def browser_placement(accelerator: str) -> Placement:
    """Return where a graph ran. ``accelerator`` is what the page reports: "cpu" or "webgpu".

    The name of the GPU is in ``browser_facts``. The page does not report whether WebGPU runs the whole graph.
    """
    from edgeshift.stream.placement import ON_CPU, Placement

    return Placement(accelerator="gpu") if accelerator == "webgpu" else ON_CPU


def timing_plan(settings: Settings) -> TimingPlan:
    """Return the settings that the page needs."""
    from edgeshift.apps.phone import TimingPlan

    names = ("steps", "seconds", "repeats", "fps", "minutes")
    return TimingPlan(**{name: getattr(settings, name) for name in names})


def _repeat(measured: RepeatMeasured) -> Repeat:
    import msgspec

    from edgeshift.benchmarks.latency.result import Energy, Minute, Repeat, SensorReading

    nothing = SensorReading(temperatures={}, clock={}, throttled=None)
    return Repeat(
        **{name: getattr(measured, name) for name in SHARED_FIELDS},
        ran_on=browser_placement(measured.accelerator),
        steps=measured.steps if measured.every > 1 else None,
        minutes=tuple(Minute(**msgspec.structs.asdict(point), reading=nothing) for point in measured.minutes),
        before=nothing,
        after=nothing,
        energy=Energy(reason=HIDDEN),
    )

"""The same step in other operators: what each way to write a shift or a normalisation costs.

    python -m edgeshift.benchmarks.studies.moves [--size N] [--rounds N] [--repeats N] [--quick] [--json] [--cache DIR]

    moves          STSM's moves in height and width: the graph over the same network without shift
    time           TSM's exchange of channels with the state: likewise
    normalisation  of a network without shift: the graph over the one that is shipped, and the largest error of its
                   logits against the network as it was trained, as a share of their range

Graphs are run by ``Interpreter.invoke`` on one thread, in turns (``interleave``); each with the operators it has and
the number of pieces that the CPU delegate takes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from edgeshift._system.quiet import quiet
from edgeshift.artifact.file import Artifact
from edgeshift.artifact.spec import Precision
from edgeshift.benchmarks.statistics import ratio
from edgeshift.benchmarks.studies.artifacts import Artifacts
from edgeshift.benchmarks.studies.comparison import Comparison, Row, merge, show
from edgeshift.benchmarks.studies.figures import rounded
from edgeshift.benchmarks.studies.forms import MOVES, SLOTS, Form
from edgeshift.benchmarks.studies.interleave import Samples, Turn, calling, interleave
from edgeshift.benchmarks.studies.machine import load_average, this_machine
from edgeshift.benchmarks.studies.normalisations import NORMALISATIONS
from edgeshift.benchmarks.studies.notice import Notice
from edgeshift.benchmarks.studies.options import Settings, kept, one_thread, parse, run
from edgeshift.benchmarks.studies.raw_litert import interpreted
from edgeshift.benchmarks.studies.repeats import repeats
from edgeshift.benchmarks.studies.timing_networks import smooth_clips, subject
from edgeshift.runtimes.tflite import open_artifact
from edgeshift.stream import Model
from edgeshift.stream.parity import compare

if TYPE_CHECKING:
    from edgeshift.checkpoints.source import Source
    from edgeshift.models.network import Step

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
#: {group: (table, its forms)}.
GROUPS = {"moves": ("stsm", MOVES), "time": ("tsm", SLOTS), "normalisation": ("tsn", NORMALISATIONS)}


def main(arguments: list[str] | None = None) -> int:
    """Run it and print it."""
    settings = parse("What each way to write a shift or a normalisation costs.", arguments)

    def work() -> int:
        comparison = measure(settings) if settings.repeats == 1 else _repeated(settings)
        if settings.json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(comparison), indent=1).decode() + "\n")
        else:
            from rich.console import Console

            show(comparison, Console())
        return 0

    return run(work)


def measure(settings: Settings) -> Comparison:
    """Convert what is missing, time every form, and compare."""
    from edgeshift.runtimes.pytorch import reference

    notice = Notice()
    with kept(settings.cache) as folder, one_thread():
        artifacts = Artifacts(folder, notice)
        sources = {table: subject(table, settings.size) for table, _ in GROUPS.values()}
        found: dict[tuple[str, str, Precision], Artifact] = {}
        for group, (table, forms) in GROUPS.items():
            for name, form in forms.items():
                for precision in PRECISIONS:
                    source = sources[table]
                    found[group, name, precision] = artifacts.lowered(
                        source, precision, form.__name__, _made(form, source)
                    )
        turns = {_key(*key): _turn(artifact, settings.size) for key, artifact in found.items()}
        before = load_average()
        with notice.stage("timing", settings.rounds) as advance:
            samples = interleave(turns, settings.rounds, advance=advance)
        after = load_average()
        with notice.stage("comparing"):
            original = reference(sources["tsn"])
            errors = {
                (form, precision): _error(open_artifact(artifact), original)
                for (group, form, precision), artifact in found.items()
                if group == "normalisation"
            }
    return Comparison(
        size=settings.size,
        rounds=settings.rounds,
        repeats=1,
        machine=this_machine(before, after),
        rows=tuple(assemble(samples, found, errors)),
    )


def _repeated(settings: Settings) -> Comparison:
    with kept(settings.cache) as folder:
        found = repeats("edgeshift.benchmarks.studies.moves", settings, folder, Comparison)
    return merge(found)


def assemble(
    samples: Samples,
    found: dict[tuple[str, str, Precision], Artifact],
    errors: dict[tuple[str, Precision], float],
) -> list[Row]:
    """The rows of samples under the names that ``_key`` gives.

    Args:
        samples: seconds, round by round.
        found: what was timed, {(group, form, precision): artifact}.
        errors: {(normalisation, precision): error}.
    """
    unshifted = next(iter(NORMALISATIONS))
    rows = []
    for (group, form, precision), artifact in found.items():
        graph = artifact.spec.graph
        assert graph is not None, "our converter describes its graphs"
        under = samples[_key("normalisation", unshifted, precision)]
        interval = rounded(ratio(samples[_key(group, form, precision)], under))
        error = errors.get((form, precision)) if group == "normalisation" else None
        rows.append(
            Row(
                group=group,
                form=form,
                precision=precision,
                **interval._asdict(),
                runs=(interval.value,),
                operators=dict(graph.operators),
                partitions=graph.partitions or 0,
                error=error,
            )
        )
    return rows


def _key(group: str, form: str, precision: str) -> str:
    return f"{group}: {form}, {precision}"


def _made(form: Form, source: Source) -> Callable[[], Step]:
    return lambda: form(source)


def _turn(artifact: Artifact, size: int) -> Turn:
    frame = smooth_clips(size)[0][:1]
    pixels = (frame ^ 128).view("int8") if artifact.spec.input.dtype == "int8" else frame.astype("float32")
    return calling(interpreted(artifact.body, {artifact.spec.input.name: pixels}))


def _error(candidate: Model, original: Model) -> float:
    """Over all frames of the smooth clips."""
    frames = [frame for clip in smooth_clips(candidate.spec.frame.height) for frame in clip]
    with quiet():
        candidate.stream().step(frames[0])  # LiteRT makes, and announces, what it lacks when a buffer is first written
    return compare(candidate, original, frames).max_error


if __name__ == "__main__":
    sys.exit(main())

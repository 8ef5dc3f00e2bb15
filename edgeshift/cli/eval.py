"""``edgeshift eval``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from edgeshift._system.progress import ProgressBars
from edgeshift.cli.facts import UNTRAINED, Facts
from edgeshift.cli.output import print_facts, print_json, print_next, print_table
from edgeshift.errors import DeviceLostError, EdgeshiftError
from edgeshift.events.spotter import describe_rule

if TYPE_CHECKING:
    from edgeshift.benchmarks.accuracy import ArtifactResult, Candidate, Journal, Measured, Report
    from edgeshift.benchmarks.devices.device import Device
    from edgeshift.video.dataset import DataSet

FILE = click.Path(path_type=Path)


@click.command("eval")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="F...")
@click.option("--data", required=True, type=FILE, metavar="DIR|CSV", help="A folder for each label, or file,label.")
@click.option("--label-map", metavar="A=B,...", help="Labels of the data that the model calls otherwise.")
@click.option("--subset", metavar="A,B,...", help="Give the accuracy of these labels on their own as well.")
@click.option("--split", metavar="NAME", help="Only the clips of this split of the CSV file.")
@click.option("--out", type=FILE, metavar="R.json", help="Write the report, and beside it each clip as it comes.")
@click.option("--picture", type=FILE, metavar="F.png", help="Draw the confusion matrix of the first artifact.")
@click.option("--resume", is_flag=True, help="Go on with the clips that a run to the same --out has left.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--device", "name", default="local", show_default=True, metavar="D", help="Or ssh://user@host, adb.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def run(
    files: tuple[Path, ...],
    data: Path,
    label_map: str | None,
    subset: str | None,
    split: str | None,
    out: Path | None,
    picture: Path | None,
    resume: bool,
    jobs: int,
    name: str,
    as_json: bool,
) -> None:
    """Measure accuracy on labelled clips, streamed frame by frame as a device sees them.

    F is an artifact, or a checkpoint (.safetensors) that PyTorch runs. Each clip starts from a zero state, at the
    frame spacing the weights were trained with. Of several files, the others are compared with the first. Clips whose
    label the model does not know count for no accuracy; how often "no gesture" is kept on them is given instead.

    \b
    Four answers to a clip:
      consensus   the gesture with the highest mean of logits over the clip, as in training
      last        the gesture that the last frame is answered with
      window      the gesture whose mean probability over the window of the file's rule was ever the highest
      spotted     the first one that is announced by the rule; none is wrong

    The running mean is the consensus of a clip's first frames: how soon it is right.

    \b
    Examples:
      edgeshift eval gestures.tflite --data clips/
      edgeshift eval gestures.tflite --data clips/ --device ssh://pi@raspberrypi.local
      edgeshift eval fp32.tflite int8.tflite --data split.csv --split val --label-map del=x --out accuracy.json
    """
    if resume and out is None:
        raise EdgeshiftError("--resume goes on with an earlier run to the same --out: give it")
    for path, suffix in ((out, ".json"), (picture, ".png")):
        if path is not None and (path.suffix.lower() != suffix or path.is_dir()):
            raise EdgeshiftError(f"{path}: give a file named *{suffix}")
    if name != "local" and jobs > 1:
        raise EdgeshiftError("--jobs is for this machine; a device answers one clip after the other")
    from edgeshift._system.json_lines import require_resume
    from edgeshift.benchmarks.accuracy import Journal, make_report, open_on, open_subject
    from edgeshift.benchmarks.devices.find import device_lock, find_device
    from edgeshift.video.dataset import read_dataset, read_label_map

    names = read_label_map(label_map) if label_map is not None else {}
    clips = read_dataset(data, names, split)
    if clips.note is not None:
        _note(clips.note)
    bars, device = ProgressBars(), find_device(name) if name != "local" else None
    if out is not None:
        require_resume(Journal.beside(out), out, resume=resume)
    # Another one on the same device would take its time and its memory; what runs here may share.
    with device_lock(device) if device is not None else nullcontext():
        with bars.stage("load"):
            subjects = [open_on(device, file) if device is not None else open_subject(file) for file in files]
        wanted = None if subset is None else tuple(label.strip() for label in subset.split(","))
        for subject in subjects:
            _check(subject, clips, names, wanted)
        journal = Journal(Journal.beside(out), resume=resume) if out is not None else None
        measured = [_measure(subject, clips, jobs, device, journal, bars) for subject in subjects]
    report = make_report(measured, clips, split, wanted)
    if out is not None:
        _write(out, msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    if picture is not None:
        _draw(picture, report.subjects[0], report)
    if as_json:
        print_json(msgspec.to_builtins(report))
        return
    for found, subject in zip(report.subjects, subjects, strict=True):
        _print(found, report, subject.model.spec.labels)
    _print_comparisons(report)
    for written in (out, picture):
        if written is not None:
            print(f"written: {written}")
    first = files[0]
    if first.suffix.lower() == ".safetensors":
        print_next("edgeshift", "convert", "--target", "tflite", "--weights", first)
    else:
        print_next("edgeshift", "demo", first, "--headless")


def _measure(
    subject: Candidate, data: DataSet, jobs: int, device: Device | None, journal: Journal | None, bars: ProgressBars
) -> Measured:
    """All clips of one artifact; of a device that is lost meanwhile, it says what is kept and how to go on."""
    from edgeshift.benchmarks.accuracy import measure

    answered = 0
    with bars.stage(subject.path.name, len(data.clips)) as advance:

        def count() -> None:
            nonlocal answered
            answered += 1
            advance()

        try:
            return measure(subject, data.clips, jobs=jobs, device=device, journal=journal, advance=count)
        except DeviceLostError as error:
            hint = "go on with the same --out and --resume" if journal else "with --out they would have been kept"
            words = f"{answered} of {len(data.clips)} clips of {subject.path.name} were answered"
            raise DeviceLostError(f"{error}; {words}: {hint}") from error


def _check(subject: Candidate, data: DataSet, names: dict[str, str], subset: tuple[str, ...] | None) -> None:
    """Refuse labels that the model cannot know, and say what will not count."""
    from edgeshift.benchmarks.accuracy import gestures, require_labels

    labels, file = subject.model.spec.labels, subject.path.name
    require_labels(tuple(names.values()), labels)
    known = gestures(labels, subject.rule)
    require_labels(subset or (), known)
    others = {label: clips for label, clips in data.labels.items() if label not in known}
    if others:
        words = ", ".join(f"{label} ({clips})" for label, clips in others.items())
        _note(f"{file}: clips that count for no accuracy, as the model knows no such gesture: {words}")
    if subject.model.spec.rule is None:
        _note(f"{file} carries no rule; assumed: {describe_rule(subject.rule, labels)}")


def _print(found: ArtifactResult, report: Report, labels: tuple[str, ...]) -> None:
    counted = sum(row.clips for row in found.rows)
    spacing = "spread evenly" if found.frame_spacing is None else f"a frame every {found.frame_spacing:g} s"
    facts: Facts = [
        ("runtime", found.runtime),
        ("model", f"{found.model} {found.precision}" + ("" if found.trained else f", {UNTRAINED}")),
        ("clips", f"{counted} of {report.data}" + (f", split {report.split}" if report.split else "") + f", {spacing}"),
        ("rule", describe_rule(found.rule, labels) + (" (assumed)" if found.assumed else "")),
        *((name, value) for name, value in found.accuracy.items()),
    ]
    if found.subset is not None:
        facts += [(f"  {name}, {', '.join(report.subset or ())}", value) for name, value in found.subset.items()]
    for after, value in found.running.items():
        facts.append(("running mean " + ("at the end" if after == "end" else f"after {after} frames"), value))
    if found.first is not None:
        facts.append(("frames", f"{found.first:g} until the right label leads (median of the clips where it does)"))
    print_facts(found.file, facts)
    shown = [row for row in found.rows if row.clips]
    if shown:
        answers = list(shown[0].right)
        print_table(
            "Right, by label",
            ("label", "clips", *answers),
            [(row.label, row.clips, *(row.right[name] for name in answers)) for row in shown],
        )
        _print_confusion(found)
    if found.idle:
        print_table(
            "Clips without a gesture that the model knows",
            ("label", "clips", "frames kept at no gesture", "nothing announced"),
            [
                (row.label, row.clips, "-" if row.frames is None else f"{row.frames:.1%}", row.silent)
                for row in found.idle
            ],
        )
    if found.unreadable:
        print_table(
            f"Not read: {len(found.unreadable)}",
            ("clip", "why"),
            [(u.file, u.reason) for u in found.unreadable],
        )


def _print_confusion(found: ArtifactResult) -> None:
    labels = [row.label for row in found.rows]
    if len(labels) > 20:
        return  # no terminal is that wide: the report has it
    rows = [(label, *(count or "" for count in row)) for label, row in zip(labels, found.matrix, strict=True)]
    print_table("What was answered (consensus)", ("shown", *labels), rows)


def _print_comparisons(report: Report) -> None:
    from edgeshift.benchmarks.accuracy.table import AGAINST, against_rows

    if report.comparisons:
        print_table(
            f"Against {report.subjects[0].file} (consensus)",
            AGAINST,
            against_rows(report),
        )


def _draw(path: Path, found: ArtifactResult, report: Report) -> None:
    from edgeshift.benchmarks.accuracy import draw_confusion
    from edgeshift.video.picture import write_picture

    labels = [row.label for row in found.rows]
    accuracy = found.accuracy["consensus"].value
    title = f"{found.file} on {report.data}: " + ("no clips" if accuracy is None else f"{accuracy:.1%}")
    write_picture(path, draw_confusion(found.matrix, labels, title))


def _write(path: Path, data: bytes) -> None:
    from edgeshift._system.files import atomic_write

    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _note(text: str) -> None:
    print(f"edgeshift: note: {text}", file=sys.stderr)

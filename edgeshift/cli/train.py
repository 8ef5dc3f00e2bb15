"""``edgeshift train``: train a model on drawn gestures, or on your own videos."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgeshift._system.output_file import require_writable
from edgeshift._system.progress import ProgressBars
from edgeshift.cli.completion import VALUES
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, decide, excludes, needs
from edgeshift.cli.options import AsJson, ClipFps, calibration_options, only_for_model, only_for_shifts, option
from edgeshift.cli.output import print_facts, print_json, print_next, print_note
from edgeshift.cli.train_sound import only_with_sound, recipe_fields, sound_options
from edgeshift.cli.train_text import validation_document, validation_texts
from edgeshift.errors import TrainingError

if TYPE_CHECKING:
    from edgeshift.training.history import HistoryEntry
    from edgeshift.training.videos import LabelMap


def run(
    out: Annotated[Path, option("Output", effect=ALWAYS, metavar="DIR")],
    model: Annotated[str | None, typer.Argument(metavar="MODEL", autocompletion=VALUES["models"])] = None,
    data: Annotated[Path | None, option("Data", effect=ALWAYS, metavar="DIR|CSV")] = None,
    fps: ClipFps = None,
    strokes: Annotated[
        Path | None, option("Data", effect=(excludes("data"), excludes("sound")), metavar="FILE")
    ] = None,
    mirror: Annotated[str | None, option("Data", effect=(needs("data"), excludes("sound")), metavar="A=B,...")] = None,
    reverse: Annotated[str | None, option("Data", effect=(needs("data"), excludes("sound")), metavar="A=B,...")] = None,
    init: Annotated[Path | None, option("Start", effect=ALWAYS, metavar="FILE")] = None,
    past_only: Annotated[bool, option("Start", effect=(needs("init"), DECIDED))] = False,
    size: Annotated[int | None, option("Network", effect=ALWAYS, min=64, max=1024)] = None,
    width: Annotated[
        float | None, option("Network", effect=(excludes("init"), only_for_model("mobilenet")), min=0.1, max=4)
    ] = None,
    depth: Annotated[int | None, option("Network", effect=only_for_model("tsam"), min=1, max=16)] = None,
    shift_div: Annotated[int | None, option("Network", effect=_divided, min=2, max=64)] = None,
    place: Annotated[Literal["blockres", "block"] | None, option("Network", effect=only_for_model("resnet"))] = None,
    bidirectional: Annotated[bool, option("Network", effect=(only_for_shifts, excludes("sound")))] = False,
    sound: Annotated[bool, option("Sound", effect=ALWAYS)] = False,
    gestures: Annotated[
        str | None, option("Sound", effect=(only_with_sound, excludes("data"), DECIDED), metavar="A,B")
    ] = None,
    sounds: Annotated[
        str | None, option("Sound", effect=(only_with_sound, excludes("data"), DECIDED), metavar="A,B")
    ] = None,
    sound_data: Annotated[
        Path | None, option("Sound", effect=(only_with_sound, needs("data"), DECIDED), metavar="DIR")
    ] = None,
    sound_weight: Annotated[
        float | None, option("Sound", effect=(only_with_sound, DECIDED), min=0.01, max=1024)
    ] = None,
    sound_norms: Annotated[
        Literal["shared", "separate"] | None, option("Sound", effect=(only_with_sound, DECIDED))
    ] = None,
    steps: Annotated[int | None, option("Training", effect=ALWAYS, min=1)] = None,
    batch: Annotated[int | None, option("Training", effect=ALWAYS, min=1, max=1024)] = None,
    frames: Annotated[int | None, option("Training", effect=ALWAYS, min=2, max=1024)] = None,
    spacing: Annotated[float | None, option("Training", effect=ALWAYS, min=0.01, max=60, metavar="SECONDS")] = None,
    rate: Annotated[float | None, option("Training", effect=ALWAYS, min=1e-09, max=1)] = None,
    frozen: Annotated[int | None, option("Training", effect=ALWAYS, min=0, max=16)] = None,
    seed: Annotated[int | None, option("Training", effect=ALWAYS, min=0, max=65535)] = None,
    device: Annotated[Literal["cpu", "cuda"] | None, option("Machine", effect=ALWAYS)] = None,
    threads: Annotated[int, option("Machine", effect=DECIDED, min=1, max=256)] = 1,
    workers: Annotated[int, option("Machine", effect=ALWAYS, min=0, max=64)] = 1,
    license: Annotated[str | None, option("Output", effect=ALWAYS)] = None,
    half: Annotated[bool, option("Output", effect=ALWAYS)] = False,
    resume: Annotated[bool, option("Output", effect=DECIDED)] = False,
    as_json: AsJson = False,
) -> None:
    """Train a shift model for streams. Its shift reads past frames only, unless --bidirectional is given.

    Without --data, the model learns ten gestures and the label none from streams that edgeshift draws. Clips of --data
    are mirrored or reversed only if --mirror or --reverse give the new labels.

    With --sound, the network answers to frames and to the sound beside them. It learns from pairs of a gesture and a
    sound, which are drawn without --data. A label is such a pair, as left+clap, or the gesture alone in a quiet room.

    Args:
        out: Folder for the run and its checkpoint.
        model: A name from edgeshift models. Default: tsm_mobilenet_v2; with --sound, tsam_mobilenet_v2 with --depth 1.
        data: Clips in a folder per label, or a CSV file with the columns file,label and optionally split. A clip is a
            video or a folder of images. Default: drawn streams.
        strokes: JSON file with your own gestures, which are added to the built-in ones.
        mirror: Also train on mirrored clips, with these new labels, such as left=right,right=left.
        reverse: Also train on clips played backwards, with these new labels.
        init: Checkpoint to start from, such as one trained on ImageNet. Default: random weights.
        past_only: Read --init of MIT or mmaction2 as shifted from past frames only. Default: as bi-directional.
        size: Height and width of the frames, pixels. Default: 128, or as --init.
        width: Width multiplier of MobileNetV2, without --init only. Default: 1.0.
        depth: Number of past frames that TSAM uses (K in the paper). Default: 2, or as --init.
        shift_div: Shift divisor of TSM and TSAM: 1/N of the channels are shifted in each direction. Default: 8, or as
            --init records it.
        place: What a block of a ResNet shifts: the input of its first convolution (blockres), or its whole input
            (block). Default: blockres, or as --init.
        bidirectional: Also shift from future frames. The result cannot stream.
        sound: Train a network with a sound segment, which TSAM and TSN can have.
        gestures: Gestures to draw for --sound. With none among them, the network also learns that no gesture is
            complete, as it must on a camera. Default: all ten.
        sounds: Sounds to draw for --sound: {sounds}. A quiet room is always added. Default: clap,whistle-up.
        sound_data: Folder with a folder of .wav files for each sound, to pair with the clips of --data. Default:
            the sound of a clip is in a .wav file of the same name beside it, or in the video, from which ffmpeg reads
            it. Its label names both, as left+clap, or a CSV file has the column sound.
        sound_weight: Weight of the sound in the answer, where each frame has the weight 1. Default: 8, or as --init.
        sound_norms: Batch norms of the sounds: those of the frames (shared), or their own (separate), which
            cannot be converted yet. Default: shared, or as --init.
        steps: Number of optimizer steps. Default: 2400. With --resume, another number extends or shortens the run.
        batch: Sequences per step. Default: 4; 16 with --sound, where each gesture of a step is paired with each sound.
        frames: Frames per sequence. Default: 24; 8 with --sound. The sound lasts as long as these frames.
        spacing: Time between two frames, in seconds. Default: 0.25, or as --init.
        rate: Highest learning rate. Default: 6e-4.
        frozen: Number of stages that are not trained, counted from the input. Default: 2.
        seed: Seed of weights, data order and drawings. Default: 0.
        device: Where to train. Default: on a GPU, if torch finds one.
        threads: Number of threads of torch on the CPU.
        workers: Number of processes that draw or read frames.
        license: License of the result, stored in its file.
        half: Store the weights of the result as float16.
        resume: Continue the run in --out. Options that are left out are taken from it, but --data, --sound-data,
            --init, --strokes, --mirror and --reverse must be given again.

    Examples:
      edgeshift train --init mobilenet_v2_imagenet.pth --out runs/gestures
      edgeshift train --resume --out runs/gestures --init mobilenet_v2_imagenet.pth
      edgeshift train stsm_mobilenet_v2 --data webcam/ --init runs/gestures/model.safetensors --out runs/mine \\
          --steps 600 --mirror left=right,right=left
      edgeshift train --sound --gestures left,right,circle --sounds clap,whistle-up --size 112 --frozen 6 \\
          --steps 1000 --init edgeshift/weights/tsm_mobilenet_v2.safetensors --out runs/sound
      edgeshift train --sound --data webcam/ --sound-data sounds/ --init runs/sound/model.safetensors --out runs/heard
      edgeshift train tsm_mobilenet_v2 --data jester.csv --init TSM_jester_bidirectional.pth.tar --out runs/online
    """
    from edgeshift.training import Recipe, train
    from edgeshift.training.folder import RECIPE, recorded_recipe
    from edgeshift.video.dataset import read_dataset

    require_writable(out, folder=True)
    decide(resume=None if (out / RECIPE).exists() else f"without an earlier run: {out} holds none; leave it out")
    recorded = recorded_recipe(out) if resume else {}
    numbers: dict[str, Any] = {"size": size, "width": width, "depth": depth, "bidirectional": bidirectional or None}
    numbers |= {"div": shift_div, "place": place}
    numbers |= {"steps": steps, "batch": batch, "frames": frames, "spacing": spacing, "rate": rate}
    numbers |= {"frozen": frozen, "seed": seed}
    numbers = {name: value for name, value in numbers.items() if value is not None}
    changes = _label_map(mirror, reverse)
    if init is not None:
        from edgeshift.training.start import recipe_defaults

        numbers = (recorded or recipe_defaults(init)) | numbers
        if past_only:
            from edgeshift.checkpoints import load

            why = load(init, bidirectional=False).unused.get("bidirectional")
            decide(past_only=why and f"on {init}: {why}; leave it out")
    numbers = recorded | numbers | ({"model": model} if model else {})
    numbers = recipe_fields(
        numbers,
        sound=sound,
        continued=resume,
        drawn=data is None,
        weight=sound_weight,
        norms=sound_norms,
        gestures=gestures,
        sounds=sounds,
    )
    recipe = Recipe(**numbers)
    if data is not None:
        dataset = read_dataset(data, fps=fps)
        decide(fps=dataset.fps_without_effect())
        if dataset.note is not None:
            print_note(dataset.note)
    bars = ProgressBars()
    try:
        trained = train(
            recipe,
            out,
            data=data,
            fps=fps,
            strokes=strokes,
            sound_data=sound_data,
            init=init,
            past_only=past_only,
            changes=changes,
            resume=resume,
            device=_device(device, threads),
            workers=workers,
            license=license,
            half=half,
            stages=bars,
            report=_show,
            note=print_note,
        )
    except KeyboardInterrupt as stop:
        if not str(stop):
            raise
        files = {
            "--data": data,
            "--sound-data": sound_data,
            "--strokes": strokes,
            "--init": init,
            "--mirror": mirror,
            "--reverse": reverse,
        }
        command = ["edgeshift", "train", "--resume", "--out", out]
        command += [part for name, value in files.items() if value is not None for part in (name, value)]
        command += ["--past-only"] if past_only else []
        raise KeyboardInterrupt(f"{stop}; continue with: {shlex.join(map(str, command))}") from stop
    last = trained.history[-1]
    check = last.validation
    assert check is not None
    if as_json:
        result = {"path": trained.path, "curve": trained.curve, "steps": last.step, "unread": trained.unread}
        print_json(result | {"validation": validation_document(check)})
        return
    print_facts(
        str(trained.path),
        [
            ("model", recipe.model),
            ("steps", f"{last.step:,}"),
            *zip(("validation", "", ""), validation_texts(check), strict=False),
            *([("left out", f"{len(trained.unread)} clips that cannot be read")] if trained.unread else []),
            ("curve", trained.curve),
        ],
    )
    options = [*calibration_options(data, fps), *(sound_options(data, sound_data) if recipe.sound else [])]
    print_next("edgeshift", "convert", "--target", "tflite", "--weights", trained.path, *options)


def _divided(options: Options) -> str | None:
    """The rule of --shift-div: other shift tables have no divisor."""
    model = options["model"] or ""
    table = model.partition("_")[0]
    return f"on {model}, only on tsm and tsam: leave it out" if table in ("tsn", "stsm") else None


def _show(entry: HistoryEntry) -> None:
    """Print what is new in the history: clips that cannot be read, and the result of a validation."""
    for line in entry.unread:
        print_note(f"left out, because it cannot be read: {line}")
    if (check := entry.validation) is not None:
        print(
            f"step {entry.step}: training loss {entry.training.loss:.3f}; validation loss {check.loss:.3f}, "
            f"{', '.join(validation_texts(check))}",
            file=sys.stderr,
            flush=True,
        )


def _device(name: str | None, threads: int) -> str:
    import torch

    torch.set_num_threads(threads)
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    decide(threads=None if chosen == "cpu" else "on a GPU: leave it out, or add --device cpu")
    return chosen


def _label_map(mirror: str | None, reverse: str | None) -> LabelMap | None:
    if mirror is None and reverse is None:
        return None
    from edgeshift.training.videos import LabelMap

    return LabelMap(_pairs("--mirror", mirror), _pairs("--reverse", reverse))


def _pairs(option: str, text: str | None) -> dict[str, str]:
    """Return {label: new label} of a text such as ``left=right,right=left``."""
    pairs = {}
    for part in text.split(",") if text else ():
        name, equals, new = (piece.strip() for piece in part.partition("="))
        if not (name and equals and new):
            raise TrainingError(f"{option} {text}: write pairs of labels, as in left=right,right=left,up=up")
        pairs[name] = new
    return pairs

"""An option on the command line that has no effect is an error, for every option of every command."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import foreign
import msgspec
import numpy as np
import pytest
import torch
import typer

from edgeshift.cli import COMMANDS, load_command, root
from edgeshift.cli.effect import ALWAYS, DECIDED, Options, decide, read_rules
from edgeshift.cli.help import Command
from edgeshift.cli.options import option
from edgeshift.errors import EdgeshiftError
from edgeshift.training import Recipe

#: {(command, parameter): (command line, the start of the reason)} of every option that may have no effect. Names of
#: files stand for those of the fixture ``files``.
WITHOUT_EFFECT: dict[tuple[str, str], list[tuple[str, str]]] = {
    ("convert", "state"): [("--target all --state native", "with --target all, which uses io")],
    ("convert", "backend"): [
        ("--target tflite --backend xnnpack", "with --target tflite, which has none to choose from"),
        ("--target all --backend xnnpack", "with --target all"),
    ],
    ("convert", "batch"): [
        ("--target tflite --batch 2", "with --target tflite, only with onnx or tensorrt"),
        ("--target onnx --mode clip --batch 2", "with --mode clip, only with --mode stream"),
    ],
    ("convert", "htp"): [("--target onnx --htp v75", "with --target onnx, only with --target qnn")],
    ("convert", "soc"): [
        ("--target onnx --soc SM8650", "with --target onnx, only with --target qnn"),
        ("--target qnn --htp v75 --soc SM8650", "with --htp: leave one of the two out"),
    ],
    ("convert", "aot"): [
        ("--target qnn --aot SM8650", "with --target qnn, only with --target tflite"),
        ("--target tflite --precision fp16 --aot SM8650", "with --precision fp16, only with --precision int8"),
        ("--target tflite --for mali --aot SM8650", "with --for: leave one of the two out"),
    ],
    ("convert", "fresh_states"): [
        ("--target coreml --fresh-states --state native", "with --state native, only with --state io"),
        ("tsn_mobilenet_v2 --target tflite --fresh-states", "on tsn_mobilenet_v2, which has no states"),
        ("--target tflite --for mali --fresh-states", "with --for: leave one of the two out"),
    ],
    ("convert", "device"): [("--target onnx --for mali", "with --target onnx, only with --target tflite")],
    ("lint", "ignore"): [("a.tflite --for mali --ignore htp-channels", "on mali, which htp-channels is not about")],
    ("convert", "labels"): [("--target tflite --labels labels.txt", "without --weights or --network: add one")],
    ("convert", "past_only"): [
        ("--target tflite --past-only", "without --weights: add it"),
        ("--target tflite --weights mit.pth --network n.py:make --past-only", "with --network"),
        ("--target tflite --weights online.pth --past-only", "on these weights: the file is recognised as past-only"),
        ("--target tflite --weights plain.pth --past-only", "on these weights: the file is recognised as not shifted"),
    ],
    ("convert", "stream_bidirectional"): [
        ("--target tflite --stream-bidirectional", "without --weights or --network: add one"),
        ("--target tflite --weights mit.pth --stream-bidirectional --past-only", "with --past-only"),
        ("--target tflite --weights online.pth --stream-bidirectional", "on these weights: the network is past-only"),
    ],
    ("convert", "width"): [
        ("--target tflite --weights mit.pth --width 1", "with --weights"),
        ("--target tflite --network n.py:make --width 1", "with --network"),
        ("tsm_resnet50 --target tflite --width 1", "on tsm_resnet50, only on models with mobilenet in their name"),
    ],
    ("convert", "depth"): [
        ("--target tflite --depth 2", "on tsm_mobilenet_v2, only on models with tsam in their name"),
        ("--target tflite --weights online.pth --depth 2", "on these weights: a tsm has no depth K"),
        ("--target tflite --network n.py:make --depth 2", "without --place: add it"),
        ("--target tflite --network n.py:make --place a --table tsm --depth 2", "with --table tsm, only with"),
        ("--target tflite --network n.py:make --place a --depth 2", "without --table tsam"),
    ],
    ("convert", "shift_div"): [
        ("--target tflite --shift-div 4", "without --weights: add it"),
        ("--target tflite --weights plain.pth --shift-div 4", "on these weights: a tsn has no shift divisor"),
        (
            "--target tflite --weights online.pth --shift-div 8",
            "on these weights: the file is recognised with the shift divisor 8 without it",
        ),
        ("--target tflite --network n.py:make --shift-div 8", "without --place: add it"),
        ("--target tflite --network n.py:make --place a --table stsm --shift-div 8", "with --table stsm, only with"),
    ],
    ("convert", "non_local"): [
        ("--target tflite --non-local dot_product", "without --weights: add it"),
        ("--target tflite --network n.py:make --weights a.pth --non-local dot_product", "with --network"),
        (
            "--target tflite --weights online.pth --non-local dot_product",
            "on these weights: the network has no non-local blocks",
        ),
    ],
    ("convert", "network"): [("tsm_resnet50 --target tflite --network n.py:make", "with model")],
    ("convert", "place"): [("--target tflite --place layer1", "without --network: add it")],
    ("convert", "table"): [("--target tflite --network n.py:make --table tsm", "without --place: add it")],
    ("convert", "bidirectional"): [("--target tflite --network n.py:make --bidirectional", "without --place: add it")],
    ("convert", "mean"): [("--target tflite --mean 0,0,0", "without --network: add it")],
    ("convert", "std"): [("--target tflite --std 1,1,1", "without --network: add it")],
    ("convert", "float_layers"): [
        ("--target tflite --precision fp16 --float-layers a", "with --precision fp16, only with --precision int8"),
        ("--target executorch --float-layers a", "with --target executorch, only with tflite or onnx"),
        ("--target all --float-layers a", "with --target all, only with tflite or onnx"),
    ],
    ("convert", "fit"): [("--target tflite --fit crop", "without --weights")],
    ("convert", "order"): [("--target tflite --order bgr", "without --weights")],
    ("convert", "frame_spacing"): [("--target tflite --frame-spacing 1", "without --weights")],
    ("convert", "calibration"): [
        ("--target tflite --precision fp32 --calibration .", "with --precision fp32, only with --precision int8")
    ],
    ("convert", "calibration_clips"): [
        ("--target tflite --calibration-clips 20", "without --calibration: add a folder of videos"),
        ("--target tflite --calibration drawn --calibration-clips 20", "with --calibration drawn"),
        ("--target tflite --precision fp16 --calibration-clips 20", "with --precision fp16"),
    ],
    ("convert", "fps"): [
        ("--target tflite --fps 5", "without --calibration: add a folder of videos"),
        ("--target tflite --calibration drawn --fps 5", "with --calibration drawn"),
        ("--target tflite --precision fp16 --fps 5", "with --precision fp16"),
        ("--target tflite --calibration clips --fps 5", "on clips with times, only on folders of images and raw"),
        (
            "--target tflite --weights online.pth --calibration clips --fps 5",
            "on these weights, whose frames are spread",
        ),
    ],
    ("convert", "without_sound"): [
        ("--target tflite --without-sound", "on these weights, which have no sound segment: leave it out"),
        ("--target tflite --network n.py:make --weights a.pth --without-sound", "with --network"),
        ("--target tflite --weights online.pth --without-sound --sounds drawn", "with --sounds"),
        (
            "--target tflite --weights online.pth --without-sound",
            "on these weights, which have no sound segment: leave it out",
        ),
    ],
    ("convert", "sounds"): [
        ("--target tflite --precision fp32 --sounds drawn", "with --precision fp32, only with --precision int8"),
        ("--target tflite --sounds drawn", "on these weights, which have no sound segment: leave it out"),
    ],
    ("convert", "float_boundary"): [
        ("--target tflite --precision fp16 --float-boundary", "with --precision fp16"),
        ("--target coreml --float-boundary", "with --target coreml, whose inputs and outputs are float anyway"),
    ],
    ("convert", "frames"): [("--target tflite --frames 8", "with --mode stream, only with --mode clip")],
    ("convert", "hop"): [("--target tflite --hop 4", "with --mode stream, only with --mode clip")],
    ("inspect", "non_local"): [
        ("a.tflite --non-local dot_product", "on an artifact, which records it"),
        ("online.pth --non-local dot_product", "on this checkpoint: the network has no non-local blocks"),
    ],
    ("inspect", "explain"): [("a.tflite --explain --json", "with --json")],
    **{
        ("models", name): [(f"--layouts --{name} {value}", "with --layouts: leave one of the two out")]
        for name, value in (("size", 64), ("classes", 3), ("width", 1), ("depth", 2))
    },
    ("verify", "explain"): [("a.tflite --explain --json", "with --json")],
    ("verify", "against"): [
        ("a.tflite --against b.onnx", "without --accelerator or --device: add one, or leave this option out"),
        ("a.tflite --accelerator cpu --against b.onnx", "on a.tflite, which is not compiled for an NPU: leave it out"),
        ("a.qnn.onnx --accelerator gpu --against b.onnx", "without --accelerator npu or --device: add one"),
    ],
    ("verify", "litert"): [
        ("a.tflite --litert l.so", "without --device: add it"),
        ("a.qnn.onnx --device adb --litert l.so", "on a.qnn.onnx, only on .tflite artifacts: leave it out"),
    ],
    ("verify", "qnn"): [
        ("a.qnn.onnx --qnn libraries", "without --device: add it"),
        ("a.tflite --device adb --qnn libraries", "on a.tflite, only on .qnn.onnx artifacts: leave it out"),
    ],
    ("verify", "threads"): [("a.mlpackage --threads 2", "on Core ML, which chooses its threads itself")],
    ("demo", "threads"): [
        ("a.trt.onnx --runtime tensorrt --threads 2", "on TensorRT, which chooses its threads"),
        ("a.tflite --accelerator gpu --threads 2", "with --accelerator gpu, which uses no threads of the processor"),
    ],
    ("demo", "capture"): [("a.tflite --headless --capture 320x240", "on drawn, only on a camera")],
    ("demo", "microphone"): [
        (
            "a.tflite --headless --realtime --microphone default",
            "on a.tflite, whose network has no sound segment: leave",
        ),
    ],
    ("demo", "fps"): [
        ("a.tflite --headless --fps 5", "on drawn, only on a folder of images"),
        ("a.tflite --headless --source clip.avi --fps 5", "on clip.avi, whose frames have times"),
    ],
    ("demo", "realtime"): [
        ("a.tflite --realtime", "without --headless"),
        ("a.tflite --headless --source 0 --realtime", "on 0, which is live already"),
    ],
    ("demo", "repeat"): [
        ("a.tflite --headless --repeat", "with --headless, unless the clip is played with --realtime"),
        ("a.tflite --headless --source 0 --repeat", "on 0, which is live and does not end"),
    ],
    ("demo", "every"): [("a.tflite --headless --every 2", "without --on: add it")],
    ("demo", "window"): [("a.tflite --headless --window tk", "with --headless")],
    ("demo", "fullscreen"): [("a.tflite --headless --fullscreen", "with --headless")],
    ("demo", "size"): [("a.tflite --headless --size 64x64", "with --headless, unless --record writes a video")],
    ("demo", "mirror_view"): [("a.tflite --headless --mirror-view", "with --headless, unless --record")],
    ("demo", "picture"): [
        ("a.tflite --picture a.png", "without --headless"),
        ("a.tflite --headless --realtime --picture a.png", "with --realtime"),
        ("a.tflite --headless --source 0 --picture a.png", "on 0, which is live: it needs a clip"),
    ],
    ("demo", "json_lines"): [("a.tflite --headless --json --json-lines", "with --json")],
    ("phone", "fps"): [("a.tflite --mode quick --fps 5", "with --mode quick, only with --mode paced: ")],
    ("phone", "minutes"): [("a.tflite --mode quick --minutes 5", "with --mode quick, only with --mode sustained: ")],
    ("phone", "threads"): [("a.tflite --accelerator webgpu --threads 2", "with --accelerator webgpu")],
    ("phone", "host"): [("a.tflite --localhost --host 127.0.0.1", "with --localhost")],
    ("bench", "python"): [
        ("a.tflite --python venv", "on local, only on boards (ssh://user@host): leave it out"),
        ("a.tflite --device browser --python venv", "on browser, only on boards"),
        ("a.tflite --device ssh://pi --agent native --python venv", "with --agent native, which needs no Python"),
    ],
    ("bench", "agent"): [
        ("a.tflite --device browser --agent native", "with --device browser: leave it out"),
        ("a.tflite --device adb --agent native --program p", "with --program, which measures without an agent"),
    ],
    ("bench", "litert"): [
        ("a.tflite --litert l.so", "without --agent native: add it"),
        ("a.qnn.onnx --agent native --litert l.so", "on a.qnn.onnx, only on .tflite artifacts: leave it out"),
    ],
    ("bench", "qnn"): [
        ("a.qnn.onnx --qnn libraries", "without --agent native: add it"),
        ("a.tflite --agent native --qnn libraries", "on a.tflite, only on .qnn.onnx artifacts: leave it out"),
    ],
    ("devices", "python"): [
        ("--python venv", "on this machine, only on boards"),
        ("ssh://pi adb --python venv", "on adb, only on boards"),
    ],
    ("rule", "label_map"): [("a.tflite --data gestures.csv --label-map a=b", "on gestures.csv, which lists gestures")],
    ("rule", "split"): [("a.tflite --data gestures.csv --split val", "on gestures.csv, which lists gestures")],
    ("rule", "fps"): [
        ("a.tflite --data clips --fps 12", "on clips with times, only on folders of images"),
        ("a.tflite --data gestures.csv --fps 12", "on clips with times, only on folders of images"),
    ],
    ("rule", "clips"): [("a.tflite --data gestures.csv --clips 5", "on gestures.csv, which lists gestures")],
    ("bench", "program"): [("a.tflite --program p", "with --device local, only with --device adb")],
    ("bench", "cores"): [("a.tflite --device browser --cores 1", "with --device browser")],
    ("bench", "ceiling"): [("a.tflite --device browser:webgpu --ceiling 50", "with --device browser:webgpu")],
    ("bench", "lock_clocks"): [("a.tflite --device browser --lock-clocks", "with --device browser")],
    ("bench", "fps"): [("a.tflite --fps 5", "with --mode normal, only with --mode paced: ")],
    ("bench", "minutes"): [("a.tflite --minutes 5", "with --mode normal, only with --mode sustained: ")],
    ("bench", "no_memory"): [("a.tflite --device browser --no-memory", "with --device browser")],
    ("bench", "source"): [
        ("a.tflite --device browser --source clip.avi", "with --device browser"),
        ("a.tflite --device adb --program p --source clip.avi", "with a vendor's program, which makes its own inputs"),
    ],
    ("bench", "frame_size"): [
        ("a.tflite --device browser --frame-size fitted", "with --device browser"),
        ("a.tflite --device adb --program p --frame-size fitted", "with a vendor's program"),
    ],
    ("bench", "options"): [("a.tflite --device browser --option a=b", "with --device browser")],
    ("bench", "resume"): [
        ("a.tflite --resume", "without --out: add it"),
        ("a.tflite --device browser --out r.json --resume", "with --device browser"),
        ("a.tflite --out r.json --resume", "without an earlier run: r.repeats.jsonl holds no results; leave it out"),
    ],
    ("bench", "accelerator"): [
        (
            "a.tflite --device browser --accelerator gpu",
            "with --device browser: leave it out, or give --dev",
        ),
        ("a.tflite --device adb --program p --accelerator gpu", "with --program, which runs on the processor"),
        ("a.tflite --agent native --accelerator gpu", "with --agent native, which runs on the processor: leave it out"),
    ],
    ("bench", "threads"): [("a.mlpackage --threads 2", "on Core ML")],
    ("eval", "without"): [("a.tflite --data clips --without sound", "on a.tflite, which has no sound segment")],
    ("eval", "jobs"): [
        ("a.tflite --data . --device adb --jobs 2", "with --device adb, only with --device local"),
        ("a.tflite --data . --agent native --jobs 2", "with --agent native, which is one process"),
    ],
    ("eval", "accelerator"): [
        ("a.tflite --data . --device browser --accelerator gpu", "with --device browser: leave it out"),
        ("a.tflite --data . --agent native --accelerator cpu", "with --agent native, which runs on the processor"),
    ],
    ("eval", "fps"): [("a.tflite --data clips --fps 5", "on clips with times")],
    ("eval", "python"): [
        ("a.tflite --data clips --device adb --python venv", "on adb, only on boards"),
        ("a.tflite --data clips --device ssh://pi --agent native --python v", "with --agent native, which needs no"),
    ],
    ("eval", "agent"): [
        ("a.tflite --data clips --device browser --agent native", "with --device browser: leave it out")
    ],
    ("eval", "litert"): [("a.tflite --data clips --litert l.so", "without --agent native: add it")],
    ("eval", "qnn"): [("a.qnn.onnx --data clips --qnn libraries", "without --agent native: add it")],
    ("eval", "resume"): [
        ("a.tflite --data . --resume", "without --out"),
        ("a.tflite --data clips --out r.json --resume", "without an earlier run: r.clips.jsonl holds no results"),
    ],
    ("clips", "only_strokes"): [("--only-strokes", "without --strokes")],
    ("clips", "count"): [("--stream 1 --count 2", "with --stream")],
    ("clips", "frames"): [("--stream 1 --frames 2", "with --stream")],
    ("clips", "seconds"): [
        ("--seconds 2", "without --stream"),
        ("--stream 1 --script left --seconds 2", "with --script"),
    ],
    ("clips", "script"): [("--script left", "without --stream")],
    ("train", "fps"): [
        ("--out o --fps 5", "without --data: add it"),
        ("--out o --data clips --fps 5", "on clips with times"),
    ],
    ("train", "resume"): [("--out o --resume", "without an earlier run: o holds none; leave it out")],
    ("train", "strokes"): [
        ("--out o --data . --strokes s", "with --data"),
        ("--out o --sound --strokes s", "with --sound: leave one of the two out"),
    ],
    ("train", "gestures"): [
        ("--out o --gestures left", "without --sound: add it"),
        ("--out o --sound --data clips --gestures left", "with --data"),
        ("--out silent --resume --gestures left", "on a run without sound: leave it out"),
    ],
    ("train", "sounds"): [
        ("--out o --sounds clap", "without --sound: add it"),
        ("--out silent --resume --sounds clap", "on a run without sound: leave it out"),
    ],
    ("train", "sound_data"): [
        ("--out o --data clips --sound-data s", "without --sound: add it"),
        ("--out o --sound --sound-data s", "without --data: add it"),
    ],
    ("train", "sound_weight"): [("--out o --sound-weight 2", "without --sound: add it")],
    ("train", "sound_norms"): [("--out o --sound-norms shared", "without --sound: add it")],
    ("train", "mirror"): [("--out o --mirror a=b", "without --data")],
    ("train", "reverse"): [("--out o --reverse a=b", "without --data")],
    ("train", "past_only"): [
        ("--out o --past-only", "without --init"),
        ("--out o --init online.pth --past-only", "on online.pth: the file is recognised as past-only"),
    ],
    ("train", "width"): [
        ("--out o --init mit.pth --width 1", "with --init"),
        ("tsm_resnet50 --out o --width 1", "on tsm_resnet50"),
    ],
    ("train", "depth"): [("--out o --depth 2", "on tsm_mobilenet_v2, only on models with tsam in their name")],
    ("train", "shift_div"): [("stsm_mobilenet_v2 --out o --shift-div 4", "on stsm_mobilenet_v2, only on tsm and tsam")],
    ("train", "place"): [("--out o --place block", "on tsm_mobilenet_v2, only on models with resnet in their name")],
    ("train", "bidirectional"): [
        ("tsn_mobilenet_v2 --out o --bidirectional", "on tsn_mobilenet_v2"),
        ("--out o --sound --bidirectional", "with --sound"),
    ],
    ("train", "threads"): [("--out o --device cuda --threads 2", "on a GPU")],
}


@pytest.fixture(scope="module")
def files(made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the command lines name."""
    from edgeshift.video.clips import write_video

    folder = tmp_path_factory.mktemp("files")
    (folder / "a.tflite").write_bytes(made("tsm", "int8").path.read_bytes())
    (folder / "labels.txt").write_text("a\nb\n")
    write_video(folder / "clip.avi", [np.zeros((48, 64, 3), np.uint8)] * 3, 10)
    for label in ("left", "right"):
        (folder / "clips" / label).mkdir(parents=True)
        for number in range(8):
            shutil.copyfile(folder / "clip.avi", folder / "clips" / label / f"{number}.avi")
    (folder / "gestures.csv").write_text("file,start,end,label\nclip.avi,0,0.1,left\n")
    (folder / "silent").mkdir()
    (folder / "silent" / "recipe.json").write_bytes(msgspec.json.encode({"recipe": Recipe()}))
    for name, network in (("mit", foreign.mit()), ("online", foreign.online()), ("plain", foreign.torchvision())):
        torch.save(network.state_dict(), folder / f"{name}.pth")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_when_it_has_an_effect(command):
    rules = read_rules(load_command(command).callback)
    names = {param.name for param in load_command(command).params if param.param_type_name == "option"} - {"help"}
    assert rules.keys() == names
    for name, options in rules.items():
        assert options is not None, f"option(..., effect=...) of {command} {name} is missing; see edgeshift.cli.effect"
        rule_only = options != (ALWAYS,)
        assert rule_only == ((command, name) in WITHOUT_EFFECT), f"give a case in which {command} {name} has no effect"


def test_the_options_of_all_commands_always_have_an_effect():
    assert read_rules(root) == {"version": (ALWAYS,), "debug": (ALWAYS,)}


@pytest.mark.parametrize(
    ("command", "parameter", "line", "reason"),
    [(*option_of, *case) for option_of, cases in WITHOUT_EFFECT.items() for case in cases],
)
def test_an_option_without_effect_is_one_line_and_status_2(run, files, monkeypatch, command, parameter, line, reason):
    monkeypatch.chdir(files)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    before = sorted(files.iterdir())
    status, out, err = run(command, *line.split())
    flag = max(next(p for p in load_command(command).params if p.name == parameter).opts, key=len)
    assert (status, out) == (2, "") and err.startswith(f"edgeshift: {flag} has no effect {reason}"), err
    assert err.count("\n") == 1 and sorted(files.iterdir()) == before


@pytest.mark.parametrize(
    "line",
    [
        "demo a.tflite --headless --realtime --seconds 0.2 --repeat --record v.mp4 --size 640x480 --mirror-view --json",
        "demo a.tflite --headless --source frames --fps 5 --json",
        "demo a.tflite --headless --mirror --rotate 90 --seconds 1 --json",
        "clips --out s --stream 1 --seconds 0.5 --size 16 --json",
    ],
)
def test_an_option_with_an_effect_is_accepted(run, files, monkeypatch, tmp_path, line):
    from edgeshift.video.picture import write_picture

    monkeypatch.chdir(tmp_path)
    Path("a.tflite").write_bytes((files / "a.tflite").read_bytes())
    Path("frames").mkdir()
    for number in range(3):
        write_picture(Path(f"frames/{number}.png"), np.zeros((48, 64, 3), np.uint8))
    assert run(*line.split()).status == 0


def call(run: Callable[..., Any], *arguments: str) -> Any:
    app = typer.Typer(add_completion=False)
    app.command("try", cls=Command)(run)
    command = typer.main.get_command(app)
    with command.make_context("try", list(arguments)) as context:
        return command.invoke(context)


def test_a_command_that_forgets_to_decide_is_an_error_after_its_run():
    def run(rate: Annotated[int, option("Data", effect=DECIDED)] = 1) -> None:
        """Do nothing with the rate."""

    call(run)
    with pytest.raises(EdgeshiftError, match="--rate has no effect here: leave it out"):
        call(run, "--rate", "1")


def only_small(options: Options) -> str | None:
    return None if options["size"] < 5 else f"with --size {options['size']}"


def test_a_rule_sees_all_options_and_defaults_are_never_errors():
    def run(
        size: Annotated[int, option("Data", effect=ALWAYS)] = 9,
        rate: Annotated[int, option("Data", effect=(ALWAYS, only_small))] = 1,
    ) -> None:
        """Decide about an option that is not on the command line."""
        decide(size="never, if it is not given")

    call(run)
    with pytest.raises(EdgeshiftError, match="--rate has no effect with --size 9"):
        call(run, "--rate", "1")
    with pytest.raises(EdgeshiftError, match="--size has no effect never"):
        call(run, "--rate", "1", "--size", "2")

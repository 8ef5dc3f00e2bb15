"""What all commands have in common: help, completion, unknown names, bad input, JSON, closed streams."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from edgeshift.cli import COMMANDS, load_command, main
from edgeshift.cli.glossary import GLOSSARY
from edgeshift.cli.options import Mode

PROGRAM = [sys.executable, "-m", "edgeshift.cli"]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which ``edgeshift`` is this package. The status of a pipe is that of its first part."""
    script = f'edgeshift() {{ "{sys.executable}" -m edgeshift.cli "$@"; }}; {line}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


def test_help_lists_every_command_without_trailing_spaces(run):
    status, out, err = run("--help")
    assert (status, err) == (0, "") and all(f"  {command} " in out for command in COMMANDS)
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    status, out, _ = run()
    assert status == 2 and "Usage" in out, "no command is bad usage"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_describes_every_option(run, command):
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "") and f"edgeshift {command}" in out.split("Example", 1)[1]
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    for param in load_command(command).params:
        assert param.help and param.help.endswith("."), f"{param.name} has no help"
        # Braces would be an unknown placeholder, and rich takes brackets for markup.
        assert not set(param.help) & set("{}[]"), param.help


@pytest.mark.parametrize("width", [60, 80])
def test_tables_in_help_are_wrapped_but_commands_are_not(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for command in ("bench", "eval", "rule"):
        lines = run(command, "--help")[1].splitlines()
        assert all(len(line) <= width or line.startswith("    edgeshift ") for line in lines), command
        assert any(len(line) > width for line in lines), "commands stay one line"
    lines = run("bench", "--help")[1].splitlines()
    (at,) = [at for at, line in enumerate(lines) if line.startswith("    paced       60 s at")]
    assert re.match(r" {16}\S", lines[at + 1]), "the second cell continues below its beginning"


def test_help_on_a_terminal_has_panels():
    parent, child = pty.openpty()
    with subprocess.Popen([*PROGRAM, "convert", "--help"], stdout=child, env={**os.environ, "TERM": "xterm"}):
        os.close(child)
        text = b""
        while True:
            try:
                text += os.read(parent, 1 << 16)
            except OSError:  # the program has ended
                break
    os.close(parent)
    assert b"\x1b[" in text and "─ Target ─" in re.sub(r"\x1b\[[0-9;]*m", "", text.decode())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_imports_nothing_heavy(command):
    heavy = {"numpy", "torch", "cv2", "msgspec", "rich", "onnxruntime", "ai_edge_litert"}
    code = "import sys; from edgeshift.cli import main\ntry: main(sys.argv[2:])\n"
    code += f"except SystemExit: print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, "", *command.split(), "--help"], capture_output=True, text=True)
    assert done.stderr == "[]\n"


def complete(line: str) -> list[str]:
    """Return what bash offers for the last word of a line, by the protocol of its completion."""
    words = line.split(" ")
    environment = {"_EDGESHIFT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    return shell("edgeshift", **environment).stdout.split()


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("edgeshift com", ["compare"]),
        ("edgeshift convert --target t", ["tflite", "tensorrt"]),
        ("edgeshift convert --precision f", ["fp32", "fp16"]),
        ("edgeshift convert --state ", ["io", "native", "buffer"]),
        ("edgeshift convert --backend x", ["xnnpack"]),
        ("edgeshift convert tsam", ["tsam_mobilenet_v2", *(f"tsam_resnet{depth}" for depth in (18, 34, 50, 101))]),
        ("edgeshift train stsm_r", [f"stsm_resnet{depth}" for depth in (18, 34, 50, 101)]),
        ("edgeshift bench --mode ", list(get_args(Mode))),
        ("edgeshift bench --device ", ["local", "ssh://", "adb", "browser"]),
        ("edgeshift verify --runtime m", ["mil"]),
        ("edgeshift inspect a", []),  # files are left to the shell
        ("edgeshift convert --past", ["--past-only"]),
    ],
)
def test_completion(line, values):
    assert complete(line) == values


def test_the_completion_script_is_printed():
    done = shell("edgeshift --show-completion bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0 and "_EDGESHIFT_COMPLETE=complete_bash" in done.stdout


def test_modes_are_those_of_the_benchmark():
    from edgeshift.benchmarks.latency import mode

    assert get_args(Mode) == tuple(mode.MODES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("convret",), "unknown command 'convret'; did you mean convert"),
        (("convert", "--target", "tflight"), "unknown target 'tflight'; did you mean tflite?"),
        (("convert", "tsm_mobilnet_v2", "--target", "tflite"), "did you mean tsm_mobilenet_v2"),
        (("convert", "--tarjet", "tflite"), "No such option: --tarjet (Possible options: --state, --table, --target)"),
        (("convert", "--target", "tflite", "--precision", "int4"), "'int4' is not one of 'fp32', 'fp16', 'int8'"),
        (("models", "--size", "big"), "Invalid value for '--size'"),
        (("inspect",), "Missing argument 'FILE'; see edgeshift inspect --help"),
    ],
)
def test_wrong_usage_is_one_line_with_the_most_similar_names(run, arguments, words):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "") and words in err and err.startswith("edgeshift: ") and err.count("\n") == 1


BAD = {
    "missing": ("verify", "nothing.tflite"),
    "folder": ("inspect", "."),
    "no suffix": ("verify", "Makefile"),
    "text": ("inspect", "text.tflite"),
    "source": ("demo", "text.tflite", "--headless"),
    "weights": ("convert", "--target", "tflite", "--weights", "text.pth"),
    "calibration": ("convert", "--target", "tflite", "--calibration", "empty"),
    "labels alone": ("convert", "--target", "tflite", "--labels", "text.pth"),
    "window": ("demo", "text.tflite"),
    "frame too small": ("convert", "stsm_mobilenet_v2", "--target", "tflite", "--size", "32"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(run, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("text.tflite").write_text("not a model\n" * 50)
    Path("text.pth").write_text("not weights\n" * 50)
    Path("Makefile").write_text("x")
    Path("empty").mkdir()
    before = sorted(Path().iterdir())
    status, out, err = run(*BAD[name])
    assert (status, out) == (2, "") and "Traceback" not in err and err.count("\n") == 1
    assert sorted(Path().iterdir()) == before


@pytest.mark.parametrize("command", ["verify", "demo"])
def test_a_checkpoint_in_place_of_an_artifact_names_the_command_that_converts_it(run, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    Path("best model.pth").write_bytes(b"weights")
    err = run(command, "best model.pth", *(["--headless"] if command == "demo" else [])).err
    assert "is a checkpoint, which must be converted first: edgeshift convert" in err and "--weights 'best" in err


def test_debug_shows_the_traceback():
    with pytest.raises(Exception, match="no such file"):
        main(["inspect", "nothing.tflite", "--debug"])


@pytest.mark.parametrize("command", ["--help", "convert --help", "devices --json"])
@pytest.mark.parametrize("redirection", ["| true", ">&-", "2>&-", ">&- 2>&- <&-", "| head -1"])
def test_closed_streams_and_pipes_that_end_early_are_no_error(command, redirection):
    done = shell(f"edgeshift {command} {redirection}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_one_line_and_status_2():
    done = shell("edgeshift --help > /dev/full")
    assert done.returncode == 2 and done.stderr == "edgeshift: input or output: No space left on device\n"


def test_models_are_listed_with_the_costs_of_the_papers(run):
    status, out, _ = run("models", "--json")
    rows = {row["model"]: row for row in json.loads(out)}
    assert status == 0 and len(rows) == 20
    assert rows["tsm_resnet50"]["parameters"] == pytest.approx(24.3e6, rel=0.005)
    assert rows["tsm_resnet50"]["paper_flops_per_8_frames"] == pytest.approx(33e9, rel=0.005)
    assert rows["tsm_mobilenet_v2"]["paper_flops_per_8_frames"] == pytest.approx(2.55e9, rel=0.005)
    assert rows["tsm_mobilenet_v2"]["state_values"] == 27_048
    status, out, _ = run("models", "--classes", 27, "--size", 112)
    assert status == 0 and "6,912" in out and "next: edgeshift convert" in out.splitlines()[-1]
    assert [line for line in out.splitlines() if line != line.rstrip()] == []


def test_the_layouts_of_weights_files_are_listed_with_how_they_run(run):
    rows = json.loads(run("models", "--layouts", "--json").out)
    found = {(row["layout"], model, row["variant"]): row for row in rows for model in row["models"]}
    assert found["mit-training", "tsm_resnet101", ""]["runs"] == "clip or stream"
    assert found["mit-training", "tsm_resnet101", ""]["options"] == ["--shift-div"]
    assert found["mmaction2", "tsm_resnet18", "temporal pooling"]["runs"] == "clip"
    assert found["tsam", "tsam_resnet50", "every second block shifted, sound segment"]["options"] == [
        "--depth",
        "--shift-div",
    ]
    assert found["mit-online", "tsm_mobilenet_v2", ""]["runs"] == "stream"
    unknown = [row for row in rows if "--non-local" in row["options"]]
    assert len(unknown) == 2 and all("dot_product" in row["variant"] and row["runs"] == "clip" for row in unknown)
    status, out, _ = run("models", "--layouts")
    assert status == 0 and "imagenet-21k" in out and "tsm_resnet18, 34, 50, 101" in out
    assert out.splitlines()[-1] == "next: edgeshift inspect FILE"


def test_the_glossary_has_one_sentence_per_term():
    assert list(GLOSSARY) == sorted(GLOSSARY)
    assert all(text.endswith(".") and ". " not in text for text in GLOSSARY.values())

"""``convert --network``: the user's own code is run only when asked, and its errors are one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import edgeshift
from edgeshift.checkpoints.adoption import user_code
from edgeshift.errors import EdgeshiftError

#: A network of a user, which shifts itself, or with ``plain()`` not.
CODE = """
import torch
from torch import nn

class Shift(nn.Module):
    def __init__(self, conv):
        super().__init__()
        self.conv = conv
    def forward(self, x):
        fold = x.shape[1] // 8
        past = torch.cat((torch.zeros_like(x[:1, :fold]), x[:-1, :fold]))
        return self.conv(torch.cat((past, x[:, fold:]), 1))

class Net(nn.Module):
    def __init__(self, wrap=Shift):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 4, 1)
        self.body = nn.Sequential(wrap(nn.Conv2d(16, 16, 3, 2, 1)), nn.ReLU(), wrap(nn.Conv2d(16, 16, 3, 2, 1)))
        self.fc = nn.Linear(16, 3)
    def forward(self, x):
        return self.fc(self.body(torch.relu(self.stem(x))).mean((2, 3)))

def make():
    print("hello from the code of the user")
    return Net()

def plain():
    return Net(lambda layer: layer)

def broken():
    return Net().missing

def text():
    return "network"

def adopted():
    import edgeshift
    return edgeshift.adopt(Net(), size=64, name="mine")
"""

#: A causal network, which keeps features of the last frame in an attribute.
MEMORY = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.fc, self.past = nn.Conv2d(3, 8, 3, 4, 1), nn.Linear(8, 3), None
    def forward(self, x):
        y = self.stem(x).relu()
        past = torch.zeros_like(y) if self.past is None else self.past
        self.past = y
        return self.fc((y + past * 0.5).mean((2, 3)))

def make():
    import edgeshift
    torch.manual_seed(0)
    return edgeshift.adopt(Net(), size=64, name="mine", state="attributes")
"""


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.py"
    path.write_text(CODE)
    return path


def convert(run: Callable, *arguments: object):
    return run("convert", "--target", "tflite", "--precision", "fp32", "--size", 64, "--out", "o.tflite", *arguments)


def test_the_artifact_opens_without_the_code(run, code: Path):
    (code.parent / "labels.txt").write_text("left\nright\nnone\n")
    done = convert(run, "--network", "net.py:make", "--labels", "labels.txt", "--json")
    assert done.status == 0 and json.loads(done.out)["path"] == "o.tflite"
    assert "--network runs the code in net.py" in done.err and "hello from the code" in done.err
    code.unlink()
    program = "import edgeshift, numpy; s = edgeshift.load('o.tflite').stream()\n"
    program += "print(s.step(numpy.zeros((70, 90, 3), 'uint8')).label in ('left', 'right', 'none'))\n"
    program += "import sys; print('torch' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=code.parent)
    assert out.stdout.split() == ["True", "False"]
    verified = run("verify", "o.tflite")
    assert verified.status == 0 and "give the code of the network" in verified.out
    spec = edgeshift.load("o.tflite").spec
    assert spec.model.name == "adopted_net" and [place.place for place in spec.shifts] == ["body_0", "body_2"]


def test_a_tsam_at_named_places_has_the_depth_that_is_given(run, code: Path):
    options = ("--network", "net.py:plain", "--place", "body.2", "--table", "tsam")
    done = convert(run, *options)
    assert done.status == 2 and "tsam has several depths K: give depth" in done.err
    done = convert(run, *options, "--depth", 3, "--shift-div", 4)
    assert done.status == 0, done.err
    spec = edgeshift.load("o.tflite").spec
    (place,) = spec.shifts
    assert [(row.dt, row.start, row.stop) for row in place.rows] == [(1, 0, 1), (2, 1, 2), (3, 2, 3)]
    assert "equal up to rounding" in run("verify", "o.tflite", "--network", "net.py:plain").out


def test_verify_compares_with_the_code_also_for_named_places(run, code: Path):
    done = convert(run, "--network", "net.py:plain", "--place", "body.[02]", "--shift-div", 4)
    assert done.status == 0, done.err
    assert [row.stop for place in edgeshift.load("o.tflite").spec.shifts for row in place.rows] == [4, 4]
    done = run("verify", "o.tflite", "--network", "net.py:plain", "--layers")
    assert done.status == 0 and "equal up to rounding" in done.out and "body.0" in done.out
    other = run("verify", "o.tflite", "--network", "net.py:make")
    assert other.status == 1 and "are not those this artifact was made from" in other.err


def test_layers_in_float_are_recorded_and_shown(run, code: Path):
    options = ("--network", "net.py:make", "--calibration", "drawn", "--float-layers", "body.2", "--float-layers", "fc")
    done = run("convert", "--target", "tflite", "--size", 64, "--out", "o.tflite", *options)
    assert done.status == 0 and "body.2, fc" in done.out, done.err
    assert "body.2, fc" in run("inspect", "o.tflite").out
    done = run("verify", "o.tflite", "--network", "net.py:make", "--layers")
    assert done.status == 0 and "body.2, fc" in done.out, done.err
    document = json.loads(run("verify", "o.tflite", "--network", "net.py:make", "--layers", "--json").out)
    assert document["float_layers"] == ["body.2", "fc"]
    steps = {row["layer"]: row["step"] for row in document["layers"] if row["operator"] == "CONV_2D"}
    assert steps["body.2"] is None and steps["body.0"] is not None, steps


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_layers_of_a_clip_are_compared_with_the_code(run, code: Path, precision: str):
    options = (
        ("--network", "net.py:make", "--calibration", "drawn") if precision == "int8" else ("--network", "net.py:make")
    )
    line = ("--precision", precision, "--mode", "clip", "--frames", 4, "--size", 64, "--out", "o.tflite")
    done = run("convert", "--target", "tflite", *line, *options)
    assert done.status == 0, done.err
    done = run("verify", "o.tflite", "--network", "net.py:make", "--layers", "--json")
    layers = json.loads(done.out)["layers"]
    assert {"stem", "body.0", "body.2", "fc"} <= {row["layer"] for row in layers}
    assert all(len(row["frames"]) == 37 for row in layers)
    worst = max(row["error"] for row in layers)
    assert worst < 1e-5 if precision == "fp32" else 1e-3 < worst < 0.3, worst


def test_states_in_attributes_are_fresh_too(run, code: Path):
    code.write_text(MEMORY)
    options = ("--target", "tflite", "--precision", "fp32", "--network", "net.py:make", "--out", "o.tflite")
    done = run("convert", *options, "--for", "mali")
    assert done.status == 0, done.err
    done = run("lint", "o.tflite", "--for", "mali", "--json")
    assert {finding["rule"] for finding in json.loads(done.out)["findings"]} <= {"transpose"}, done.out


def test_weights_are_loaded_strictly(run, code: Path):
    net = user_code.make_network("net.py:make")
    with torch.no_grad():
        net.fc.bias.fill_(3.0)
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in net.state_dict().items()}}, "w.pth")
    assert convert(run, "--network", "net.py:make", "--weights", "w.pth").status == 0
    spec = edgeshift.load("o.tflite").spec
    assert spec.weights.source == "own network net.py:make, weights w.pth"
    assert edgeshift.load("o.tflite").stream().step(torch.zeros(64, 64, 3).byte().numpy()).logits.min() > 1

    state = net.state_dict()
    state["head.weight"] = state.pop("fc.weight")
    state["stem.weight"] = state["stem.weight"][:8]
    torch.save(state, "bad.pth")
    done = convert(run, "--network", "net.py:make", "--weights", "bad.pth")
    assert done.status == 2 and done.err.count("\n") == 3
    for part in (
        "bad.pth: does not fit",
        "'fc.weight' of the network is not in the file",
        "'head.weight'",
        "[8, 3, 3, 3]",
    ):
        assert part in done.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--network", "net.py:broken"], ["net.py:31: AttributeError", "missing"]),
        (["--network", "net.py:text"], ["text() returns a str"]),
        (["--network", "net.py:mak"], ["unknown function 'mak'", "did you mean make?"]),
        (["--network", "net.py"], ["give a file and a function"]),
        (["--network", "other.py:make"], ["no such file: other.py"]),
        (["--network", "syntax.py:make"], ["syntax.py:1: SyntaxError"]),
        (["--network", "net.py:plain"], ["no shift", "place"]),
        (["--network", "net.py:plain", "--place", "layer"], ["no module of the network matches 'layer'"]),
        (["--network", "net.py:make", "--mean", "1,2"], ["--mean 1,2: give three numbers"]),
        (["--network", "net.py:make", "--mean", "0.5,0.5,0.5"], ["mean and std together"]),
        (["--network", "net.py:make", "--weights", "none.pth"], ["none.pth: there is no such file"]),
        (["--network", "net.py:adopted", "--weights", "none.pth"], ["--weights has no effect", "adopted already"]),
        (["--network", "net.py:adopted", "--fit", "crop"], ["has no effect", "adopted already"]),
    ],
)
def test_errors_are_one_line(run, code: Path, arguments: list[str], parts: list[str]):
    Path("syntax.py").write_text("def make(:\n")
    done = convert(run, *arguments)
    lines = [line for line in done.err.splitlines() if "note:" not in line and "hello" not in line]
    assert done.status == 2 and len(lines) == 1 and "Traceback" not in done.err, done.err
    assert all(part in lines[0] for part in parts), lines[0]
    assert not Path("o.tflite").exists()


def test_the_function_may_return_an_adopted_network(code: Path):
    assert user_code.adopt_from_file("net.py:adopted", None).config.name == "adopted_mine"
    with pytest.raises(EdgeshiftError, match="--size has no effect"):
        user_code.adopt_from_file("net.py:adopted", None, {"size": 112})


def test_debug_shows_the_traceback(code: Path):
    command = [
        sys.executable,
        "-m",
        "edgeshift",
        "convert",
        "--target",
        "tflite",
        "--network",
        "net.py:broken",
        "--debug",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=code.parent)
    assert "Traceback" in done.stderr and "return Net().missing" in done.stderr

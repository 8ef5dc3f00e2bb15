"""What runtimes print and write on their own, and how their errors are reported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeshift import load
from edgeshift.errors import CheckpointError, RuntimeStepError
from edgeshift.targets import find_target

#: Programs that import onnxruntime: by a runtime, by the converter, and before anything else of edgeshift is used.
IMPORTS = {
    "runtime": "from edgeshift import load; load(sys.argv[1]).stream()",
    "quantizer": "import edgeshift.converters.onnx.quantize, onnxruntime.quantization",
    "doctor": "from edgeshift.cli.doctor import _import; assert _import('onnxruntime') is None",
}


@pytest.mark.parametrize("program", IMPORTS)
def test_onnxruntime_leaves_no_files_and_does_not_write_through_a_link(made, tmp_path, program):
    home, temporary, victim = tmp_path / "home", tmp_path / "tmp", tmp_path / "victim"
    home.mkdir()
    temporary.mkdir()
    victim.write_text("mine")
    (temporary / ".ses").symlink_to(victim)
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(temporary)}
    code = f"import sys; {IMPORTS[program]}"
    artifact = made("tsm", "int8", "onnx").path
    subprocess.run([sys.executable, "-c", code, artifact], env=environment, check=True, timeout=120)
    assert victim.read_text() == "mine"
    assert not [path for path in home.rglob("*") if "Microsoft" in str(path)]
    assert sorted(path.name for path in temporary.iterdir()) == [".ses"]


@pytest.mark.parametrize("table", ["tsn", "tsm"])
def test_litert_prints_nothing_with_states_and_without(made, table):
    path = made(table, "fp32").path
    code = "import sys, numpy, edgeshift; s = edgeshift.load(sys.argv[1]).stream()\n"
    code += "for _ in range(3): s.step(numpy.zeros((64, 64, 3), numpy.uint8))"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def break_onnx(source: Path, path: Path) -> None:
    """Write an artifact whose graph loads, and fails in a step: it takes the logits at an index that does not exist."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from edgeshift.artifact.file import read_artifact, write_artifact

    artifact = read_artifact(source)
    model = onnx.load_from_string(bytes(artifact.body))
    frame, logits = model.graph.input[0].name, artifact.spec.output.name
    for node in model.graph.node:
        node.output[:] = ["raw_logits" if name == logits else name for name in node.output]
    beyond = numpy_helper.from_array(np.full(artifact.spec.output.shape[-1], 1000, np.int64), "beyond")
    model.graph.initializer.append(beyond)
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", [frame], ["largest"], keepdims=0),
            helper.make_node("Cast", ["largest"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Add", ["whole", "beyond"], ["index"]),
            helper.make_node("Gather", ["raw_logits", "index"], [logits], axis=1),
        ]
    )
    write_artifact(path, model.SerializeToString(), artifact.spec)


def test_an_error_of_onnxruntime_in_a_step_is_one_line(made, tmp_path):
    path = tmp_path / "broken.onnx"
    break_onnx(made("tsm", "fp32", "onnx").path, path)
    stream = load(path).stream()
    with pytest.raises(RuntimeStepError, match=r"cannot run the graph of this onnx artifact: .*out of data bounds"):
        stream.step(np.zeros((64, 64, 3), np.uint8))
    for line in (["demo", path, "--headless"], ["verify", path]):
        done = subprocess.run([sys.executable, "-m", "edgeshift.cli", *line], capture_output=True, text=True)
        assert done.returncode == 2 and "bug" not in done.stderr
        assert done.stderr.startswith("edgeshift: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("precision", ["int8", "fp16", "fp32"])
@pytest.mark.parametrize("target", ["tflite", "onnx", "executorch", "coreml"])
def test_weights_that_compute_no_finite_values_are_refused_before_the_conversion(tmp_path, target, precision):
    import torch

    from edgeshift.checkpoints.source import untrained_source
    from edgeshift.converters import Options, convert

    source = untrained_source(size=64)
    with torch.no_grad():
        source.network.backbone.features[3].conv[3].running_var.fill_(-1.0)
    with pytest.raises(CheckpointError, match=r"computes NaN or infinity, first in network\.backbone\.features\.3"):
        convert(source, target, tmp_path / f"a{find_target(target).suffix}", Options(precision=precision))
    assert not list(tmp_path.iterdir())

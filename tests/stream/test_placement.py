"""Where a graph ran, in words, and as older reports tell it."""

from __future__ import annotations

import pytest
from doubles import model

from edgeshift.stream.placement import ON_CPU, Placement, accelerators, placement_of, texts


@pytest.mark.parametrize(
    ("runtime", "title"),
    [
        ("LiteRT 2.3.0 (compiled, 1 thread)", "cpu"),
        ("tflite 2.1 on ssh://pi@board", "cpu"),
        ("LiteRT 2.3.0 (GPU accelerator, all operators, Adreno (TM) 740, Vulkan)", "gpu (Adreno (TM) 740, Vulkan)"),
        ("LiteRT.js 2.5.2 (WebGPU fp16) in a browser on a phone", "gpu"),
        ("LiteRT.js 2.5.2 (CPU, 2 threads) in a browser on a phone", "cpu"),
        ("QNN 2.51.0 (Hexagon v75, simulator)", "npu simulator (Hexagon v75)"),
        ("QNN 2.51.0 (Hexagon v75, NPU)", "npu (Hexagon v75)"),
        ("TensorRT 10.3 on Orin, int8", "gpu (Orin)"),
        ("TensorRT 10.3 on Orin, int8 with fp16", "gpu (Orin)"),
        ("LiteRT (compiled, NPU of Qualcomm SM8650)", "npu"),
        ("ONNX Runtime 1.23 (cpu, 1 thread)", "cpu"),
        ("ONNX Runtime 1.23 (cuda, 1 thread)", "gpu"),
        ("Core ML through coremltools 9.0 (all)", "not known"),
        ("Core ML through coremltools 9.0 (cpu)", "cpu"),
        ("benchmark_model (its vendor's program; random inputs, states not carried)", "cpu"),
    ],
)
def test_older_reports_say_it_in_the_name_of_the_runtime(runtime, title):
    assert placement_of(None, runtime).title == title
    said = Placement(accelerator="npu", device="Hexagon v79", complete=True)
    assert placement_of(said, runtime) == said


def test_the_words():
    gpu = Placement(accelerator="gpu", device="A GPU", complete=True)
    assert ON_CPU.text == "cpu" and gpu.text == "gpu (A GPU): all operators"
    assert Placement(accelerator="gpu").text == "gpu: the runtime does not say which operators"
    assert texts([gpu, ON_CPU, gpu]) == "gpu (A GPU): all operators; cpu" and texts([]) == "-"
    assert accelerators([gpu, Placement(accelerator="gpu", device="another")]) == "gpu" and accelerators([]) == "-"


def test_a_model_and_its_copies_know_it():
    double = model()
    assert double.placement == ON_CPU
    double.placement = Placement(accelerator="npu simulator")
    assert double.fitted().placement == double.placement

"""Every rule of ``edgeshift lint`` finds a small graph that breaks it, and nothing in one that is mended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lint_graphs import T, artifact, mlpackage, onnx, tflite

from edgeshift.errors import ArtifactError, EdgeshiftError
from edgeshift.runtimes.lint import DEVICES, RULES, check, lint, read_graph
from edgeshift.runtimes.lint.operator_rules import GPU_REFUSED

MAP = (1, 4, 4, 8)
#: Tensors that most graphs use: a frame, a state, a feature map.
BASE = {
    "frame": T(MAP),
    "state": T(MAP),
    "features": T(MAP),
    "next": T(MAP),
    "logits": T((1, 5)),
    "one": T((1, 1, 1, 1)),
    "axes": T((4,), "int32", stored=True),
}
HALF = {"part": T((1, 4, 4, 4)), "old": T((1, 4, 4, 4))}
LOGITS = ("FULLY_CONNECTED", ("features", "weights"), ("logits",))
WEIGHTS = {"weights": T((5, 128), stored=True)}


def gpu(tensors: dict[str, T], *ops: Any, outputs: tuple[str, ...] = ("logits", "next")) -> bytes:
    """Return a .tflite graph that takes a frame and a state. ``ops`` make the features and the next state."""
    return tflite({**BASE, **WEIGHTS, **tensors}, [*ops, LOGITS], ("frame", "state"), outputs)


RELU = ("RELU", ("frame",), ("features",))
#: The 1 that is computed from the frame, as `convert --for mali` writes it (here, without its arithmetic).
ONE = ("MEAN", ("frame", "axes"), ("one",))


def int8(*ops: Any, extra: dict[str, T] | None = None) -> bytes:
    """Return an int8 .tflite graph from the frame to the logits."""
    tensors = {name: T((1, 4, 4, 8), "int8") for name in ("frame", "a", "b")} | {"logits": T((1, 5), "int8")}
    return tflite({**tensors, **(extra or {})}, ops, ("frame",), ("logits",))


def channels(count: int) -> bytes:
    kernel = {"kernel": T((count, 1, 1, 8), "int8", stored=True)}
    return int8(("CONV_2D", ("frame", "kernel"), ("a",)), ("MEAN", ("a",), ("logits",)), extra=kernel)


def qdq(*, stored: bool, count: int = 32) -> bytes:
    """Return an int8 .onnx graph with one convolution, whose result is stored as int8 or stays in float."""
    tensors = {
        "frame": T((1, 8, 4, 4), "int8"),
        "logits": T((1, count, 4, 4), "int8"),
        "scale": T((), stored=True),
        "zero": T((), "int8", stored=True),
        "stored": T((count, 8, 1, 1), "int8", stored=True),
    }
    ops = [
        ("DequantizeLinear", ("frame", "scale", "zero"), ("x",)),
        ("DequantizeLinear", ("stored", "scale", "zero"), ("kernel",)),
        ("Conv", ("x", "kernel"), ("y",)),
        ("Relu", ("y",), ("z",)),
    ]
    if not stored:
        ops += [("Sigmoid", ("z",), ("s",))]
    ops += [("QuantizeLinear", ("z" if stored else "s", "scale", "zero"), ("logits",))]
    return onnx(tensors, ops, ("frame",), ("logits",))


def dynamic_onnx(side: int) -> bytes:
    tensors = {name: T((side, 8), "int8") for name in ("frame", "logits")}
    return onnx(tensors, [("Identity", ("frame",), ("logits",))], ("frame",), ("logits",))


def mil(kind: str, folder: Path, shape: tuple[int, ...] = (1, 32, 4, 32), *, half: bool = True) -> bytes:
    """Return a Core ML package with one operation besides a product."""
    import numpy as np
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.mil import types

    dtype = types.fp16 if half else types.fp32
    number = np.float16 if half else np.float32

    @Builder.program(input_specs=[Builder.TensorSpec(shape, dtype)], opset_version=_ios17())
    def program(frame: Any) -> Any:
        if kind == "transpose":
            return Builder.transpose(x=frame, perm=[0, 2, 3, 1])
        if kind == "gather":
            return Builder.gather(x=frame, indices=np.int32([0, 3]), axis=1)
        if kind == "conv":
            return Builder.conv(x=frame, weight=np.ones((32, shape[1], 1, 1), number))
        return Builder.mul(x=frame, y=number(2))

    return mlpackage(program, folder, half=half)


def _ios17() -> Any:
    import coremltools

    return coremltools.target.iOS17


class Case(NamedTuple):
    """A graph that breaks a rule, and one that keeps it."""

    rule: str
    suffix: str
    device: str
    broken: Callable[[Path], bytes]
    mended: Callable[[Path], bytes]


def same(body: Callable[..., bytes], *arguments: Any, **options: Any) -> Callable[[Path], bytes]:
    return lambda _folder: body(*arguments, **options)


MENDED_STATE = same(gpu, {}, RELU, ONE, ("MUL", ("features", "one"), ("next",)))
CASES = (
    Case(
        "state-passed-through",
        ".tflite",
        "mali",
        # TSAM with two past frames: the older half of the next state is the newer half of the state.
        same(
            gpu,
            HALF,
            RELU,
            ("SLICE", ("features", "axes", "axes"), ("part",)),
            ("SLICE", ("state", "axes", "axes"), ("old",)),
            ("CONCATENATION", ("part", "old"), ("next",)),
        ),
        same(
            gpu,
            {**HALF, "joined": T(MAP)},
            RELU,
            ONE,
            ("SLICE", ("features", "axes", "axes"), ("part",)),
            ("SLICE", ("state", "axes", "axes"), ("old",)),
            ("CONCATENATION", ("part", "old"), ("joined",)),
            ("MUL", ("joined", "one"), ("next",)),
        ),
    ),
    Case("state-passed-through", ".tflite", "mali", same(gpu, {}, RELU, outputs=("logits", "state")), MENDED_STATE),
    Case(
        "state-is-a-sum",
        ".tflite",
        "mali",
        same(gpu, {}, RELU, ("ADD", ("features", "state"), ("next",))),
        same(
            gpu,
            {"sum": T(MAP)},
            RELU,
            ONE,
            ("ADD", ("features", "state"), ("sum",)),
            ("MUL", ("sum", "one"), ("next",)),
        ),
    ),
    Case("state-is-read", ".tflite", "mali", same(gpu, {}, RELU, outputs=("logits", "features")), MENDED_STATE),
    Case(
        "ethos-u-float",
        ".tflite",
        "ethos-u",
        same(int8, ("DEQUANTIZE", ("frame",), ("f",)), ("QUANTIZE", ("f",), ("logits",)), extra={"f": T((1, 5))}),
        same(int8, ("MEAN", ("frame",), ("logits",))),
    ),
    Case(
        "htp-float",
        ".tflite",
        "htp",
        same(
            int8,
            ("DEQUANTIZE", ("frame",), ("f",)),
            ("SOFTMAX", ("f",), ("g",)),
            ("QUANTIZE", ("g",), ("logits",)),
            extra={"f": T((1, 5)), "g": T((1, 5))},
        ),
        same(int8, ("MEAN", ("frame",), ("logits",))),
    ),
    Case("htp-float", ".onnx", "htp", same(qdq, stored=False), same(qdq, stored=True)),
    Case("ane-float32", ".mlpackage", "coreml-ane", lambda f: mil("conv", f, half=False), lambda f: mil("conv", f)),
    *(
        Case(
            "gpu-operator",
            ".tflite",
            "adreno",
            same(gpu, {}, (kind, ("frame", "axes"), ("features",)), ("LOGISTIC", ("state",), ("next",))),
            MENDED_STATE,
        )
        for kind in GPU_REFUSED
    ),
    Case(
        "gpu-same-input-twice",
        ".tflite",
        "mali",
        same(gpu, {}, RELU, ("DIV", ("features", "features"), ("next",))),
        same(gpu, {}, RELU, ("MUL", ("features", "features"), ("next",))),
    ),
    Case(
        "ethos-u-operator",
        ".tflite",
        "ethos-u",
        same(int8, ("CUMSUM", ("frame",), ("a",)), ("MEAN", ("a",), ("logits",))),
        same(int8, ("TANH", ("frame",), ("a",)), ("MEAN", ("a",), ("logits",))),
    ),
    Case("ane-operator", ".mlpackage", "coreml-ane", lambda f: mil("gather", f), lambda f: mil("mul", f)),
    Case(
        "dynamic-shape",
        ".tflite",
        "mali",
        same(gpu, {"features": T((-1, 4, 4, 8))}, RELU, ("LOGISTIC", ("state",), ("next",))),
        MENDED_STATE,
    ),
    Case(
        "dynamic-shape-npu",
        ".tflite",
        "ethos-u",
        same(int8, ("TANH", ("frame",), ("a",)), ("MEAN", ("a",), ("logits",)), extra={"a": T((1, -1, 4, 8), "int8")}),
        same(int8, ("TANH", ("frame",), ("a",)), ("MEAN", ("a",), ("logits",))),
    ),
    Case("dynamic-shape-npu", ".onnx", "htp", same(dynamic_onnx, -1), same(dynamic_onnx, 1)),
    Case(
        "gpu-dimensions",
        ".tflite",
        "mali",
        same(gpu, {"features": T((1, 2, 2, 4, 8))}, RELU, ("LOGISTIC", ("state",), ("next",))),
        MENDED_STATE,
    ),
    Case("htp-channels", ".tflite", "htp", same(channels, 24), same(channels, 64)),
    Case("htp-channels", ".onnx", "htp", same(qdq, stored=True, count=24), same(qdq, stored=True, count=96)),
    Case(
        "transpose",
        ".tflite",
        "adreno",
        same(gpu, {}, ("TRANSPOSE", ("frame", "axes"), ("features",)), ("LOGISTIC", ("state",), ("next",))),
        MENDED_STATE,
    ),
    Case("transpose", ".mlpackage", "coreml-ane", lambda f: mil("transpose", f), lambda f: mil("mul", f)),
    Case(
        "ane-last-dimension",
        ".mlpackage",
        "coreml-ane",
        lambda f: mil("mul", f, (1, 32, 7, 7)),
        lambda f: mil("mul", f),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{c.rule}-{c.device}{c.suffix}" for i, c in enumerate(CASES)])
def test_a_rule_finds_what_breaks_it_and_nothing_else(case: Case, tmp_path: Path):
    if case.suffix == ".mlpackage":
        pytest.importorskip("coremltools")
    (tmp_path / "broken").mkdir()
    (tmp_path / "mended").mkdir()
    broken, mended = (
        lint(artifact(case.suffix, make(tmp_path / name)), [case.device])
        for name, make in (("broken", case.broken), ("mended", case.mended))
    )
    finding = next(finding for finding in broken if finding.rule == case.rule)
    assert finding.devices == (case.device,) and finding.places and all(finding.places)
    assert case.rule not in [finding.rule for finding in mended], mended


def test_every_rule_has_a_graph_that_breaks_it():
    assert {case.rule for case in CASES} == {rule.name for rule in RULES}


def test_rules_are_complete():
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.devices and set(rule.devices) <= set(DEVICES), rule.name
        assert "https://" in rule.source, rule.name
        assert all((rule.finds, rule.why, rule.remedy)), rule.name
    assert {device for rule in RULES for device in rule.devices} == set(DEVICES)
    effects = [rule.effect for rule in RULES]
    assert effects == sorted(effects, key=("wrong", "refused", "slow").index)


def test_one_graph_may_break_several_rules():
    body = gpu({}, ("ADD", ("frame", "state"), ("features",)), outputs=("logits", "features", "state"))
    findings = {finding.rule: finding for finding in lint(artifact(".tflite", body), ["mali"])}
    assert list(findings) == ["state-passed-through", "state-is-a-sum", "state-is-read"]
    assert findings["state-passed-through"].places == ("output state returns values of the input state",)
    assert findings["state-is-a-sum"].places == ("output features is written by ADD",)
    # A desktop's GPU and the Adreno do not have these faults.
    assert lint(artifact(".tflite", body), ["adreno"]) == []
    assert lint(artifact(".tflite", body), ["mali"], ignore=tuple(findings)) == []


def test_a_sum_with_a_constant_is_no_sum_of_two_tensors():
    body = gpu({"bias": T(MAP, stored=True)}, RELU, ("ADD", ("state", "bias"), ("next",)))
    assert lint(artifact(".tflite", body), ["mali"]) == []


def test_two_outputs_of_one_tensor_share_it():
    tensors = {**BASE, **WEIGHTS}
    body = tflite(tensors, [RELU, LOGITS, ("LOGISTIC", ("state",), ("next",))], ("frame", "state"), ("logits", "next"))
    assert lint(artifact(".tflite", body), ["mali"]) == []
    graph = read_graph(artifact(".tflite", body))
    graph.outputs["again"] = graph.outputs["next"]
    (finding,) = check(graph, ["mali"])
    assert (finding.rule, finding.places) == ("state-is-read", ("the outputs next and again are one tensor",))


def test_devices_that_do_not_read_the_format_are_refused():
    body = qdq(stored=True)
    with pytest.raises(EdgeshiftError, match=r"graph\.onnx: mali .* reads \.tflite"):
        lint(artifact(".onnx", body), ["mali"])
    with pytest.raises(EdgeshiftError, match="unknown device 'mail'; did you mean mali"):
        lint(artifact(".onnx", body), ["mail"])
    with pytest.raises(EdgeshiftError, match="unknown rule 'htp-chanels'; did you mean htp-channels"):
        lint(artifact(".onnx", body), ["htp"], ignore=["htp-chanels"])
    with pytest.raises(EdgeshiftError, match=r"no rules for \.pte files"):
        lint(artifact(".pte", b""))


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        (".tflite", b"\0\0\0\0TFL3" + bytes(64)),
        (".tflite", b"x" * 64),
        (".onnx", b"\xff" * 64),
        (".mlpackage", b"{}\n"),
    ],
)
def test_a_damaged_graph_is_one_error(suffix: str, body: bytes):
    if suffix == ".mlpackage":
        pytest.importorskip("coremltools")
    with pytest.raises(ArtifactError, match=f"graph{suffix}"):
        lint(artifact(suffix, body))

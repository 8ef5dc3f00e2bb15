"""``edgeshift lint``."""

from __future__ import annotations

import json
from pathlib import Path


def test_a_graph_that_breaks_a_rule_is_status_1_with_all_that_is_known(run, made):
    path = made("tsam", "fp32").path
    done = run("lint", path, "--for", "mali")
    assert done.status == 1 and done.err.count("\n") == 1
    assert done.err.endswith("breaks state-passed-through\n")
    for text in ("WRONG values", "output state_", "and 6 more", "litert-samples/pull/198", "--for mali"):
        assert text in done.out, text


def test_a_graph_that_keeps_all_rules_is_status_0(run, made):
    done = run("lint", made("tsam", "fp32", device="mali").path, "--for", "mali")
    assert done.status == 0 and not done.err
    assert "rules for mali, 0 broken" in done.out and "next: edgeshift verify" in done.out


def test_json(run, made):
    path = made("tsm", "int8", "onnx").path
    done = run("lint", path, "--json")
    document = json.loads(done.out)
    assert done.status == 1 and not document["ok"] and document["for"] == ["htp"]
    assert {"htp-float", "htp-channels", "dynamic-shape-npu"} == set(document["rules"])
    (finding,) = document["findings"]
    assert finding["rule"] == "htp-channels" and finding["effect"] == "slow" and finding["devices"] == ["htp"]
    assert any("24 channels, stored as 32" in place for place in finding["places"])
    done = run("lint", path, "--ignore", "htp-channels", "--json")
    document = json.loads(done.out)
    assert done.status == 0 and document["ok"] and "htp-channels" not in document["rules"]


def test_int8_graphs_suit_the_ethos_u_and_float_ones_do_not(run, made):
    assert run("lint", made("tsm", "int8").path, "--for", "ethos-u").status == 0
    assert run("lint", made("tsm", "fp32").path, "--for", "ethos-u").status == 1
    assert run("lint", made("tsm", "int8", float_boundary=True).path, "--for", "ethos-u").status == 1


def test_without_a_device_all_that_read_the_file_are_checked(run, made):
    document = json.loads(run("lint", made("tsm", "int8").path, "--json").out)
    assert document["for"] == ["mali", "adreno", "htp", "ethos-u"]
    document = json.loads(run("lint", made("tsm", "fp32", "coreml").path, "--json").out)
    assert document["for"] == ["coreml-ane"] and "ane-float32" in [f["rule"] for f in document["findings"]]
    document = json.loads(run("lint", made("tsm", "fp16", "coreml").path, "--json").out)
    assert [f["rule"] for f in document["findings"]] == ["ane-last-dimension"]


def test_bad_input_is_one_line(run, made, tmp_path: Path):
    for arguments, text in (
        ((made("tsm", "fp32").path, "--for", "phone"), "unknown device 'phone'; known: adreno, coreml-ane, ethos-u"),
        ((made("tsm", "fp32").path, "--for", "coreml-ane"), "reads .mlpackage: convert the model to that format"),
        ((made("tsm", "fp32").path, "--ignore", "colour"), "unknown rule 'colour'"),
        ((tmp_path / "none.tflite",), "no such file"),
    ):
        done = run("lint", *arguments)
        assert done.status == 2 and done.err.count("\n") == 1 and text in done.err, done.err

"""``edgeshift verify --accelerator``."""

from __future__ import annotations

import json

import pytest

from edgeshift.runtimes import accelerated
from edgeshift.runtimes.accelerated import Checked


def test_without_a_gpu_one_that_is_named_fails_and_all_does_not(run, made, monkeypatch):
    monkeypatch.setenv("VK_ICD_FILENAMES", "/nonexistent.json")
    path = made("tsm", "fp32").path
    done = run("verify", path, "--accelerator", "cpu,gpu", "--json")
    document = json.loads(done.out)
    assert done.status == 1 and not document["ok"]
    assert [(row["accelerator"], row["verdict"]) for row in document["accelerators"]] == [
        ("cpu", "computes"),
        ("gpu", "not run"),
    ]
    assert any(problem.startswith("gpu: LiteRT's GPU accelerator finds no GPU") for problem in document["problems"])
    done = run("verify", path, "--accelerator", "all")
    assert done.status == 0 and "on gpu" in done.out and "on npu" in done.out, done.err


@pytest.mark.parametrize(
    ("verdict", "detail"),
    [("wrong", "wrong from frame 3, state_features_5"), ("falls back", "falls back at DIV (No support)")],
)
def test_a_failed_check_is_status_1(run, made, monkeypatch, verdict, detail):
    answer = Checked("gpu", verdict, detail, frame=3, state="state_features_5")
    monkeypatch.setattr(accelerated, "check_accelerator", lambda _path, _name: answer)
    done = run("verify", made("tsm", "fp32").path, "--accelerator", "gpu")
    assert done.status == 1 and f"gpu: {detail}" in done.err and detail in done.out


def test_unknown_accelerators_are_refused(run, made):
    for names in ("tpu", "", "cpu,,gpu"):
        done = run("verify", made("tsm", "fp32").path, "--accelerator", names)
        assert done.status == 2 and "unknown accelerator" in done.err, done.err


def test_without_the_option_nothing_is_checked_on_accelerators(run, made):
    assert "accelerators" not in json.loads(run("verify", made("tsm", "fp32").path, "--json").out)

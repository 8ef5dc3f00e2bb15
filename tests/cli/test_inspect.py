"""``edgeshift inspect`` on several descriptions. The command does not read the graph, so any bytes will do."""

from __future__ import annotations

import json

import pytest
from doubles import INT8, stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import write_artifact
from edgeshift.artifact.spec import GraphSpec
from edgeshift.cli.glossary import GLOSSARY


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "origin edgeshift's default"),
        (RuleSpec(window=4, threshold=0.6), "over 4 frames"),
        (RuleSpec(window=4, threshold=0.6, memory=9), "the last 9 frames"),
        (RuleSpec(window=4, threshold=0.6, origin="the file mine.json"), "origin the file mine.json"),
        (RuleSpec(window=4, threshold=0.6, silent=("blue",)), "Never announced: 'blue'"),
        (RuleSpec(window=4, threshold=0.6), "'none'"),
        (RuleSpec(window=4, threshold=0.6, none="blue"), "'blue'"),
    ],
)
def test_the_event_rule_is_described(run, tmp_path, rule, words):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec(rule=rule))
    assert words in " ".join(run("inspect", path).out.split()).partition(" event rule ")[2]
    document = json.loads(run("inspect", path, "--json").out)["rule"]
    assert document is None if rule is None else document["window"] == 4


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (GraphSpec(operators={"ADD": 2}, delegated=1.0, partitions=1, backend="xnnpack"), "on XNNPACK, 1 partition\n"),
        (GraphSpec(operators={"ADD": 2}, delegated=0.5, partitions=2), "50% of operators delegated, 2 partitions\n"),
    ],
)
def test_the_delegate_is_described(run, tmp_path, graph, words):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec(graph=graph))
    assert words in run("inspect", path).out


def test_layers_in_float_are_named(run, tmp_path):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec(**INT8, float_layers=("blocks.4.se", "head")))
    assert "layers in float" in run("inspect", path).out and "blocks.4.se, head" in run("inspect", path).out
    assert json.loads(run("inspect", path, "--json").out)["float_layers"] == ["blocks.4.se", "head"]
    write_artifact(path, b"a graph", stream_spec(**INT8))
    assert "layers in float" not in run("inspect", path).out


def test_terms_are_explained_on_request(run, tmp_path):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec())
    assert GLOSSARY["frame spacing"] not in run("inspect", path).out
    out = run("inspect", path, "--explain").out
    assert GLOSSARY["frame spacing"] in out and GLOSSARY["tied ranges"] in out and GLOSSARY["agent"] not in out


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("clip.mp4", b"\0\0\0\x20ftypisom" + bytes(600), "it is a video, not an artifact"),
        ("clip.mkv", b"\x1a\x45\xdf\xa3" + bytes(600), "it is a video, not an artifact"),
        ("notes.txt", b"notes\n", "it is a text file, not an artifact"),
        ("report.json", b'{"a": 1}\n', "it is a JSON file, not an artifact"),
        ("hand.jpg", b"\xff\xd8\xff" + bytes(600), "it is a picture, not an artifact"),
        ("clip.avi", bytes(600), "it is a video, not an artifact"),
        ("model.xyz", bytes(600), "it is not an artifact"),
        ("empty.mp4", b"", "it is an empty file, not an artifact"),
    ],
)
def test_another_kind_of_file_is_named(run, tmp_path, monkeypatch, name, content, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    status, out, err = run("inspect", name)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"edgeshift: {name}: {words}; give a file that `edgeshift convert` has written (.tflite, ")
    assert err.endswith(", or a checkpoint (.pth, .pt, .tar, .ckpt, .bin, .pkl, .safetensors)\n")


@pytest.mark.parametrize("command", ["verify", "demo"])
@pytest.mark.parametrize(
    ("name", "kind"), [("clip.mp4", "a video"), ("notes.txt", "a text file"), ("a.json", "a JSON file")]
)
def test_the_suffix_of_another_kind_of_file_is_named(run, tmp_path, monkeypatch, command, name, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"text")
    status, out, err = run(command, name, *(["--headless"] if command == "demo" else []))
    suffix = name[name.index(".") :]
    expected = f"edgeshift: {name}: a {suffix} file is {kind}, not an artifact; known suffixes: .tflite, .onnx"
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith(expected)


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><title>404</title>", "its content is a web page, not an artifact; copy or download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "its content is a pointer of Git LFS"),
        (b"", "its content is an empty file, not an artifact"),
        (b"\x1c\0\0\0TFL3" + bytes(600), "no edgeshift description at its end: cut short, damaged, or not made by"),
    ],
)
def test_a_file_with_the_suffix_of_an_artifact_and_other_content(run, tmp_path, monkeypatch, command, content, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tflite").write_bytes(content)
    status, out, err = run(command, "a.tflite")
    assert (status, out, err.count("\n")) == (2, "", 1) and err.startswith(f"edgeshift: a.tflite: {words}")

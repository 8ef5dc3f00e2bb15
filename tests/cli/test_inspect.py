"""``edgeshift inspect`` on several descriptions. The command does not read the graph, so any bytes will do."""

from __future__ import annotations

import json

import pytest
from doubles import stream_spec

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


def test_terms_are_explained_on_request(run, tmp_path):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec())
    assert GLOSSARY["frame spacing"] not in run("inspect", path).out
    out = run("inspect", path, "--explain").out
    assert GLOSSARY["frame spacing"] in out and GLOSSARY["tied ranges"] in out and GLOSSARY["agent"] not in out

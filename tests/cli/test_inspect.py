"""``edgeshift inspect`` on what a description says, whatever the graph is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doubles import stream_spec

from edgeshift.artifact.description import RuleSpec
from edgeshift.artifact.file import write_artifact
from edgeshift.cli import main


def inspect(capsys, path: Path, *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["inspect", str(path), *options])
    assert not ended.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (None, "none: nobody has chosen"),
        (RuleSpec(window=4, threshold=0.6), "mean probability is the largest and reaches 0.6 over 4 frames"),
        (RuleSpec(window=4, threshold=0.6, memory=9), "the likeliest by the mean logits of the last 9 frames"),
        (RuleSpec(window=4, threshold=0.6), "'none' is no gesture"),
        (RuleSpec(window=4, threshold=0.6, none="blue"), "'blue' is no gesture"),
    ],
)
def test_it_shows_the_rule(capsys, tmp_path, rule, words):
    path = tmp_path / "a.tflite"
    write_artifact(path, b"a graph", stream_spec(rule=rule))
    assert words in " ".join(inspect(capsys, path).split()).partition(" rule ")[2]
    document = json.loads(inspect(capsys, path, "--json"))["rule"]
    assert document is None if rule is None else document["window"] == 4

"""``edgeshift inspect`` of checkpoints: layouts, what is left out, how they convert, and malicious files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the converters are not installed")

import foreign  # noqa: E402
import foreign_resnets  # noqa: E402
from marker import Marker  # noqa: E402

from edgeshift.checkpoints import save  # noqa: E402
from edgeshift.models import ModelConfig, build  # noqa: E402


def write(path: Path, network: torch.nn.Module, **beside: object) -> Path:
    torch.save({"state_dict": network.state_dict(), **beside}, path)
    return path


def ways(document: dict) -> list[list[str]]:
    return [way["command"] for way in document["ways"]]


def test_a_bidirectional_checkpoint_names_the_ways_to_convert_it(run, tmp_path):
    name = "TSM_ucf-101_RGB_mobilenetv2_shift8_blockres_avg_segment8_e25.pth.tar"
    path = write(tmp_path / name, foreign.mit(5), ema={"a": torch.zeros(1)}, epoch=25)
    status, out, err = run("inspect", path)
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "layout mit-training" in text and "clip 8 frames" in text and "not known (5 outputs)" in text
    assert "tsm, bi-directional, at 10 places; at the first: of 24 channels" in text
    assert "3 from the next frame" in text and "3 from the previous frame" in text
    assert "not used ema" in text and "--stream-bidirectional" in text and "--frame-spacing" in text
    document = json.loads(run("inspect", path, "--json").out)
    assert document["kind"] == "checkpoint" and document["left_out"] == ["ema"]
    assert [command[0] for command in ways(document)] == ["train", "convert", "convert", "convert"]
    assert ways(document)[1][-4:] == ["--mode", "clip", "--frames", "8"]
    assert "--stream-bidirectional" in ways(document)[2] and "--past-only" in ways(document)[3]
    assert "--mode clip --frames 8" in text and "each answer costs the time of all frames" in text
    assert set(document["missing"]) == {"--labels", "--frame-spacing", "--rule"}, "the name records the divisor"
    assert document["shifts"][0]["slots"] == {"-1": 3, "+1": 3}


def test_what_the_tensors_do_not_show_is_asked_for(run, tmp_path):
    path = write(tmp_path / "net.pth", foreign_resnets.mmaction2(18, div=4, place="block"))
    status, out, err = run("inspect", path)
    text = " ".join(out.split())
    assert (status, err) == (0, "") and "around whole blocks" in text
    assert "the file does not record the shift divisor: 8 is assumed" in text and "--shift-div" in text
    path = write(tmp_path / "nl.pth", foreign_resnets.mmaction2(non_local="dot_product"))
    refused = run("inspect", path)
    assert refused.status == 2 and refused.err.count("\n") == 1
    assert "give --non-local embedded_gaussian or scaled_embedded_gaussian or dot_product" in refused.err
    document = json.loads(run("inspect", path, "--non-local", "dot_product", "--json").out)
    assert document["model"]["non_local"] == "dot_product"
    assert ways(document)[0][-4:] == ["--mode", "clip", "--frames", "8"]


@pytest.mark.parametrize(("recorded", "named"), [(7, "6"), (3, "2"), (16, "16"), (100, "8"), (1, "8")])
def test_the_number_of_frames_that_it_names_is_one_that_temporal_pooling_takes(run, tmp_path, recorded, named):
    network = build(ModelConfig("tsm", "resnet18", 3, size=64, bidirectional=True, temporal_pool=True))
    path = tmp_path / "pooled.safetensors"
    save(path, network, clip_frames=recorded)
    (command,) = ways(json.loads(run("inspect", path, "--json").out))
    assert command[-4:] == ["--mode", "clip", "--frames", named]


def test_tsam_shows_its_sound_segment_and_how_to_convert_it(run, tmp_path):
    torch.save(foreign_resnets.Tsam().file(), tmp_path / "tsam.pt")
    status, out, _ = run("inspect", tmp_path / "tsam.pt")
    text = " ".join(out.split())
    assert status == 0 and "layout tsam" in text
    assert "sound the newest 5 s beside the newest 12 frames" in text and "not converted" not in text
    assert "--precision fp16 --mode clip --frames 12" in text
    refused = run("convert", "--target", "onnx", "--precision", "fp32", "--weights", tmp_path / "tsam.pt")
    assert refused.status == 2 and "cannot stream" in refused.err


@pytest.mark.slow
def test_the_commands_that_it_names_convert_the_checkpoint(run, tmp_path):
    path = write(tmp_path / "net.pth", foreign.sensitive(foreign.mit(5)))
    refused = run("convert", "--target", "onnx", "--precision", "fp32", "--size", "64", "--weights", path)
    assert refused.status == 2 and "cannot stream" in refused.err
    document = json.loads(run("inspect", path, "--json").out)
    command = next(command for command in ways(document) if "--stream-bidirectional" in command)
    assert command[-3:] == ["--calibration", "VIDEOS", "--stream-bidirectional"]
    command = [part if part != "tflite" else "onnx" for part in command if part not in ("--calibration", "VIDEOS")]
    out = tmp_path / "net.onnx"
    status, text, _ = run(*command, "--precision", "fp32", "--size", "64", "--out", out)
    assert status == 0 and "edgeshift's default" in text
    assert json.loads(run("inspect", out, "--json").out)["rule"]["window"] == 8


def test_the_online_network_converts_as_it_is_and_asks_for_the_channel_order(run, tmp_path):
    document = json.loads(run("inspect", write(tmp_path / "online.pth", foreign.online()), "--json").out)
    assert document["layout"] == "mit-online" and not document["model"]["bidirectional"]
    (command,) = ways(document)
    assert command[0] == "convert" and "--order" in document["missing"]
    assert command[-2:] == ["--calibration", "VIDEOS"], "int8, the default, is refused without videos"


def test_weights_of_drawn_gestures_need_no_videos(run):
    from edgeshift.weights import all_shipped

    for path in all_shipped().values():
        document = json.loads(run("inspect", path, "--json").out)
        assert [command[0] for command in ways(document)] == ["convert"] and "--calibration" not in ways(document)[0]


def test_weights_without_a_shift_are_to_be_trained_first(run, tmp_path):
    document = json.loads(run("inspect", write(tmp_path / "imagenet.pt", foreign.torchvision()), "--json").out)
    assert document["layout"] == "torchvision" and document["shifts"] == []
    assert ways(document)[0][:2] == ["train", "tsm_mobilenet_v2"] and ways(document)[1][0] == "convert"


def test_our_own_file_shows_labels_rule_and_training(run, tmp_path):
    network = build(ModelConfig("tsm", "mobilenet_v2", 3, size=64, width=0.35))
    path = tmp_path / "own.safetensors"
    training = {"data": "webcam", **{f"before: {index}": "x" for index in range(9)}}
    save(path, network, labels=["left", "right", "none"], frame_spacing=0.25, training=training)
    out = " ".join(run("inspect", path, "--explain").out.split())
    assert "labels left, right, none" in out and "frame spacing 0.25 s" in out and "width 0.35" in out
    assert "training: data webcam" in out and "9 more entries about earlier training" in out
    assert len(json.loads(run("inspect", path, "--json").out)["training"]) == 10


def test_nothing_in_a_malicious_file_is_executed_and_names_are_printed_clean(run, tmp_path):
    network = foreign.mit(5)
    path = write(tmp_path / "evil.pth", network, args=Marker(tmp_path / "ran"), **{"\x1b[31mred": {"a": torch.ones(1)}})
    status, out, _ = run("inspect", path)
    assert status == 0 and "?[31mred" in out and "\x1b" not in out
    torch.save(Marker(tmp_path / "ran"), tmp_path / "whole.pth")
    status, out, err = run("inspect", tmp_path / "whole.pth")
    assert (status, out, err.count("\n")) == (2, "", 1) and "does not execute" in err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.safetensors", "a.pth.tar", "a.ckpt"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(50), b"\x80\x02}", b"<!DOCTYPE html>", None])
def test_a_damaged_or_missing_file_is_one_line(run, tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    status, out, err = run("inspect", path)
    assert (status, out, err.count("\n")) == (2, "", 1) and name in err and "bug" not in err


def test_a_pipe_is_refused_at_once(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.pth")
    assert "is not a file" in run("inspect", tmp_path / "pipe.pth").err

"""The project's own words and what they mean. ``--explain`` prints them, and the glossary page is made from them."""

from __future__ import annotations

from collections.abc import Iterable

from edgeshift.cli.output import print_facts

#: {term: its definition}, in alphabetical order.
GLOSSARY = {
    "adopt": "To make a network of your own code ready to convert: its shifts, or its attributes, become states.",
    "agent": "The one-file program that edgeshift runs on a board or phone to measure there; nothing is installed.",
    "artifact": "A converted file: a graph for one runtime, with the description of model, frames and states inside.",
    "bi-directional": "Of a shift: some channels come from the next frame and some from the previous one.",
    "board": "A small computer such as a Raspberry Pi or a Jetson, reached over ssh.",
    "calibration": "Running the float network over clips, states included, to choose the ranges of int8 tensors.",
    "clear top-1": "Top-1 without the frames in which the two most likely labels of the original are nearly tied.",
    "clip": "Frames of a video in their order; a clip artifact takes T of them in one run of its graph.",
    "clip artifact": "An artifact that was converted in clip mode, in contrast to one for streams.",
    "clip mode": "The graph takes all T frames of a clip at once and has no states, so it can use later frames too.",
    "consensus": "How the logits of the frames of a clip become one answer: by their mean, or as the last frame's.",
    "cosine": "Cosine similarity of the artifact's and the original's logits, less each frame's mean; 1 is best.",
    "delegate": "The part of a runtime that executes operators on its fast path, such as XNNPACK.",
    "description": "The record inside an artifact: model, tensors, states, labels, event rule, parity, self-check.",
    "detection": "A label that the event rule announced, with its score and time.",
    "drift": "Mean error of the last eight frames divided by that of the first eight; about 1 if errors do not grow.",
    "due": "A frame is due, and is fed to the network, when the frame spacing has passed since the last due one.",
    "event rule": "Announces a label when its score reaches a threshold, then announces nothing for a hold-off time.",
    "fill": "The value that a shift reads where a neighbour does not exist, such as before the first frame.",
    "fit": "How a frame gets the network's size: squash resizes it, crop keeps its proportions and cuts the centre.",
    "frame spacing": "Seconds between two frames that the network gets, the same in training and on a device.",
    "grid": "The scale and the zero point of an int8 tensor: the real values that its integers stand for.",
    "hop": "Number of due frames from one answer of a clip artifact to the next.",
    "int8": "8-bit integers with a scale and a zero point per tensor: value = scale * (integer - zero point).",
    "largest error": "Largest absolute difference of a logit, as a share of the range of the original's logits.",
    "largest state error": "Root mean square error of the worst state, in standard deviations of that state.",
    "layout": "The names that a training program gives to the tensors; a weights file is recognised by them.",
    "parity": "Comparison of an artifact with the original network over many frames: logits, states, reset.",
    "partition": "A group of operators that a delegate executes without returning to the runtime; fewer are faster.",
    "past-only": "Of a shift: channels come from earlier frames only, as a stream needs; some call this online.",
    "place": "A point in the network where channels are shifted in time.",
    "report": "The JSON file that bench or eval writes with --out, for compare and report.",
    "self-check": "Seed of test frames and the expected logits, with which a device checks its results without torch.",
    "shift table": "The shift as data: rows of time offset dt, offsets dh and dw in the frame, channels and fill.",
    "slot": "The channels of a place that hold the past, or those that hold the future.",
    "sound": "Of a network: its sound segment, which answers to a picture of the newest seconds of sound.",
    "state": "A tensor with past values of one place; the step function takes it and returns the next one.",
    "step function": "The function of a stream's artifact: step(frame, states) returns logits and the next states.",
    "stream": "One sequence of frames with one set of states, which start with zeros or other fixed values.",
    "tied ranges": "Tensors that share one int8 scale and zero point, so that a state can be copied without rounding.",
    "top-1": "Share of frames for which artifact and original have the same most likely label.",
    "variant": "A network that computes something else than the usual one, such as with another shift divisor.",
    "window": "Frames in a row that count for one answer: the T of a clip artifact, or those that a rule averages.",
    "worker": "The fresh process that runs one repeat of a measurement.",
}


def explain(terms: Iterable[str]) -> None:
    """Print the definitions of some terms, in the order of the glossary."""
    wanted = set(terms)
    print_facts("Terms", [(term, text) for term, text in GLOSSARY.items() if term in wanted])

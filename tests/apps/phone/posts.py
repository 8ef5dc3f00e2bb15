"""What a page would send, of each kind, for tests to change."""

from __future__ import annotations

from typing import Any

from doubles import LABELS

SAMPLES = [100.0 + index % 7 for index in range(200)]
POSTS: dict[str, dict[str, Any]] = {
    "page_opened": {
        "agent": "A browser",
        "model": "A phone",
        "architecture": "arm",
        "platform": "Android 16",
        "cores": 8,
        "memory": 8,
        "isolated": True,
        "gpu": None,
    },
    "self_check": {
        "accelerator": "cpu",
        "threads": 1,
        "runtime": "LiteRT.js",
        "error": 0.001,
        "tolerance": 0.1,
        "repeatable": True,
        "logits": [[0.0] * len(LABELS)] * 2,
    },
    "detection": {"label": "red", "score": 0.75, "timestamp": 2.5},
    "camera_stopped": {"steps": 40, "seconds": 10.0, "grab": 800.0, "pre": 300.0, "infer": 5000.0, "post": 20.0},
    "minute": {"run": 5, "repeat": 0, "point": {"minute": 0, "steps": 900, "p50": 0.005, "p90": 0.006}},
    "repeat": {
        "run": 5,
        "repeat": 0,
        "mode": "quick",
        "accelerator": "cpu",
        "threads": 1,
        "precision": None,
        "runtime": "LiteRT.js",
        "start": 0.2,
        "load": 0.1,
        "first": 0.02,
        "warmup": 60,
        "warm": True,
        "checked": True,
        "pre": [10.0] * 200,
        "infer": SAMPLES,
        "post": [1.0] * 200,
        "end_to_end": [sample + 12 for sample in SAMPLES],
        "every": 1,
        "steps": 200,
        "seconds": 10.5,
        "clock": 5.0,
        "offered": None,
        "missed": None,
        "minutes": [],
    },
    "error": {"message": "the page was left"},
    "finished": {},
}

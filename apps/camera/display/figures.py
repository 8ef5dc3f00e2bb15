"""The figures beside the label, as text."""

from __future__ import annotations

from edgeshift.apps.camera.engine.session import Runner

#: Steps that the figures are of: what was a minute ago is not what one looks at.
RECENT = 128


def figures(runner: Runner, camera: float | None, dropped: int, warmest: float | None) -> list[str]:
    """Eight short texts.

    Args:
        runner: at work. camera: frames a second. dropped: frames. warmest: degrees Celsius.
    """
    times = runner.times.milliseconds(RECENT)
    p50, p90 = (_ms(times["infer"][name]) for name in ("p50", "p90"))
    untrained = "" if runner.model.spec.weights.trained else " UNTRAINED"
    return [
        runner.title + untrained,
        f"infer p50 {p50} p90 {p90} ms",
        *(f"{phase} {_ms(times[phase]['p50'])} / {_ms(times[phase]['p90'])}" for phase in ("pre", "post")),
        f"camera {_hertz(camera)}",
        f"model {_hertz(runner.rate.hertz)}",
        f"dropped {dropped}",
        "" if warmest is None else f"{warmest:.0f} C",
    ]


def in_lines(texts: list[str], count: int) -> list[str]:
    """Eight texts in eight lines, or in five: small ones share one."""
    if count >= len(texts):
        return texts
    title, infer, *rest = texts
    pairs = [f"{left}   {right}".rstrip() for left, right in zip(rest[::2], rest[1::2], strict=True)]
    return [title, infer, *pairs]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _hertz(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}/s"

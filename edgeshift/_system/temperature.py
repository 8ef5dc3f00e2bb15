"""How warm a Linux device is, by the zones its kernel knows."""

from __future__ import annotations

from pathlib import Path


def temperatures(root: Path = Path("/")) -> dict[str, float]:
    """{zone: degrees Celsius}; empty where nothing can be read.

    Args:
        root: of the file system, for tests.
    """
    found: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _text(zone / "temp")
        # Sensors that are off give values no device survives.
        if value and value.lstrip("-").isdigit() and -40_000 < int(value) < 200_000:
            name = _text(zone / "type") or zone.name
            found[name if name not in found else f"{name} ({zone.name})"] = int(value) / 1000
    return found


def _text(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(256)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0 \n\t") or None

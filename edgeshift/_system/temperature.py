"""Temperatures of a Linux device, from the thermal zones of its kernel."""

from __future__ import annotations

from pathlib import Path


def temperatures(root: Path = Path("/")) -> dict[str, float]:
    """Return {name of the thermal zone: degrees Celsius} under ``root``; empty if none can be read."""
    degrees: dict[str, float] = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        value = _read(zone / "temp")
        # A sensor that is switched off gives an impossible value.
        if value and value.lstrip("-").isdigit() and -40_000 < int(value) < 200_000:
            name = _read(zone / "type") or zone.name
            degrees[name if name not in degrees else f"{name} ({zone.name})"] = int(value) / 1000
    return degrees


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(256)
    except OSError:
        return None
    return data.decode("utf-8", "replace").strip("\0 \n\t") or None

"""How fast a run goes, in the words of its units."""

from __future__ import annotations

_PER_NS = {"real": 1e-6, "metal": 1e-3, "si": 1e9, "cgs": 1e9, "electron": 1e-6, "micro": 1e3, "nano": 1.0}
"""Nanoseconds per time unit of each style (manual page `units`)."""

DAY_S = 86400.0


def time_label(units: str) -> str:
    """The unit of time of a unit style, for axes."""
    names = {
        "lj": "τ", "real": "fs", "metal": "ps", "si": "s", "cgs": "s", "electron": "fs", "micro": "μs", "nano": "ns",
    }  # fmt: skip
    return names.get(units, "time units")


def per_day(steps_per_s: float, timestep: float, units: str) -> tuple[float, str]:
    """Simulated time per day of wall time: (value, "ns/day") or (value, "tau/day") for lj units."""
    day = steps_per_s * timestep * DAY_S
    return (day * _PER_NS[units], "ns/day") if units in _PER_NS else (day, "tau/day")


def rate_text(steps_per_s: float, steps_left: int, timestep: float | None, units: str) -> str:
    """Steps/s, simulated time per day and time to go, as far as they are known; empty without a speed.

    `timestep` is in the time unit of the unit style `units`.
    """
    if steps_per_s <= 0:
        return ""
    words = [f"{steps_per_s:,.0f} steps/s"]
    if timestep and units:
        value, unit = per_day(steps_per_s, timestep, units)
        words.append(f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.4g} {unit}")
    left = max(0, steps_left) / steps_per_s
    words.append(f"{int(left // 3600)}:{int(left // 60 % 60):02d}:{int(left % 60):02d} to go")
    return "  ".join(words)

"""How fast a run goes, in the words of its units."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PER_NS = {"real": 1e-6, "metal": 1e-3, "si": 1e9, "cgs": 1e9, "electron": 1e-6, "micro": 1e3, "nano": 1.0}
"""Nanoseconds per time unit of each style (manual page `units`)."""

DAY_S = 86400.0

_UNITS = {
    "lj": ("ε/k", "ε/σ³", "ε", "1/σ³", "σ³", "σ"),
    "real": ("K", "atm", "kcal/mol", "g/cm³", "Å³", "Å"),
    "metal": ("K", "bar", "eV", "g/cm³", "Å³", "Å"),
    "si": ("K", "Pa", "J", "kg/m³", "m³", "m"),
    "cgs": ("K", "dyn/cm²", "erg", "g/cm³", "cm³", "cm"),
    "electron": ("K", "Pa", "Ha", "u/a₀³", "a₀³", "a₀"),
    "micro": ("K", "pg/(μm μs²)", "pg μm²/μs²", "pg/μm³", "μm³", "μm"),
    "nano": ("K", "ag/(nm ns²)", "ag nm²/ns²", "ag/nm³", "nm³", "nm"),
}
"""Temperature, pressure, energy, density, volume, length of each style (manual page `units`)."""
_QUANTITIES = (
    ("Temp",),
    ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"),
    ("PotEng", "KinEng", "TotEng", "Enthalpy", "Econserve", "Ecouple", "E_pair", "E_vdwl", "E_coul", "E_long",
     "E_bond", "E_angle", "E_dihed", "E_impro", "E_mol", "E_tail"),
    ("Density",),
    ("Volume",),
    ("Lx", "Ly", "Lz", "Xlo", "Xhi", "Ylo", "Yhi", "Zlo", "Zhi", "Xy", "Xz", "Yz"),
)  # fmt: skip


def unit_of(column: str, units: str) -> str:
    """The unit of a thermo column of LAMMPS's own in the unit style `units`; empty where it is not known."""
    names = _UNITS.get(units)
    for at, columns in enumerate(_QUANTITIES):
        if names and column in columns:
            return names[at]
    return ""


def units_in(log: str) -> str:
    """The unit style that a log's echo of the script names; empty where it names none, or by a variable."""
    found = re.findall(r"^units\s+(\w+)", log, re.MULTILINE)
    return found[-1] if found and found[-1] in _UNITS else ""


def units_of(columns: Iterable[str], units: str) -> dict[str, str]:
    """The units of those columns that are LAMMPS's own and have one, in the unit style `units`."""
    found = {name: time_label(units) if name == "Time" and units else unit_of(name, units) for name in columns}
    return {name: unit for name, unit in found.items() if unit}


def time_label(units: str) -> str:
    """The unit of time of a unit style, for axes."""
    names = {
        "lj": "τ", "real": "fs", "metal": "ps", "si": "s", "cgs": "s", "electron": "fs", "micro": "μs", "nano": "ns",
    }  # fmt: skip
    return names.get(units, "time units")


def time_of_fs(femtoseconds: float, units: str) -> float:
    """A time in the time unit of a unit style; of lj, which has none, the number itself."""
    return femtoseconds / (_PER_NS[units] * 1e6) if units in _PER_NS else femtoseconds


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

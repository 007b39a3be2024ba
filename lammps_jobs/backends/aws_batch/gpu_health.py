"""The GPUs of the machine, as nvidia-smi sees them: whether they work, and how busy they are."""

from __future__ import annotations

import subprocess


def _nvidia_smi(query: str) -> list[str]:
    command = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def fault(gpus: int) -> str:
    """Why the GPUs of this machine cannot be used; empty when they can, or none is asked for."""
    if not gpus:
        return ""
    try:
        found = _nvidia_smi("ecc.errors.uncorrected.volatile.total")
    except FileNotFoundError:
        return "nvidia-smi is missing: no driver"
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = getattr(error, "stdout", "") or getattr(error, "stderr", "") or str(error)
        return f"nvidia-smi fails: {str(said).strip().splitlines()[-1:]}"
    if len(found) < gpus:
        return f"{len(found)} GPUs of {gpus}"
    wrong = [count for count in found if count.isdigit() and int(count)]
    return f"uncorrected ECC errors: {', '.join(wrong)}" if wrong else ""


def use(gpus: int) -> float | None:
    """Mean use of the GPUs in percent; None without any, or when it cannot be read."""
    if not gpus:
        return None
    try:
        found = [float(percent) for percent in _nvidia_smi("utilization.gpu")]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return sum(found) / len(found) if found else None

"""AWS on loopback: the stack's resources in moto, AWS Batch around real containers, the real Pulumi engine.

For demos, previews, benchmarks and tests; no part of the installed library. Start reading at `stack.deployed`.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent
"""The folder of the project."""

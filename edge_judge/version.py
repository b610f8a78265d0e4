"""The version, which runs and packs record. Does not know: anything else."""

from __future__ import annotations

__version__ = "0.1.0"

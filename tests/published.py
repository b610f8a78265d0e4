"""Where the published benchmark files are for tests, if they are: EDGE_JUDGE_DATA, else ../shared/data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("EDGE_JUDGE_DATA") or Path(__file__).parents[2] / "shared" / "data")
DATA = Path(__file__).parent / "data"


def needs(path: str) -> pytest.MarkDecorator:
    """Skips a test where a published file, named by its path in the data folder, is not at hand."""
    return pytest.mark.skipif(
        not (FOLDER / path).is_file(), reason=f"{path} is not in {FOLDER}: name its folder in EDGE_JUDGE_DATA"
    )

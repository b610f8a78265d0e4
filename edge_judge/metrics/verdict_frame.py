"""Verdicts as a pandas data frame, a row for each, as they were given: no benchmark is needed.

    id                 object    the pair's
    order              category  "ab" or "ba": which answer was shown first
    verdict            category  "a", "b" or "tie" in the pair's own terms; missing where none was valid
    p_a, p_b, p_tie    float64   the probability of each verdict, nan where it is unknown or not legal
    mass               float64   the share of all probability on legal verdicts, nan where it is unknown
    truncated          bool      whether an answer was shortened to fit
    text               object    what the judge wrote, None where there is no text

Ids and texts are plain objects, because JSON can name half a character, which no string of Arrow holds.

Knows: verdicts. Does not know: human labels (`trials` does), runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from edge_judge.records import LABELS, ORDERS, Verdict

P = [f"p_{label}" for label in LABELS]


def verdict_frame(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    """The verdicts in their order."""
    probabilities = {
        name: pd.Series([(verdict.p or {}).get(label) for verdict in verdicts], dtype=np.float64)
        for name, label in zip(P, LABELS, strict=True)
    }
    return pd.DataFrame(
        {
            "id": pd.Series([verdict.id for verdict in verdicts], dtype=object),
            "order": pd.Categorical([verdict.order for verdict in verdicts], ORDERS),
            "verdict": pd.Categorical([verdict.verdict for verdict in verdicts], LABELS),
            **probabilities,
            "mass": pd.Series([verdict.mass for verdict in verdicts], dtype=np.float64),
            "truncated": pd.Series([verdict.truncated for verdict in verdicts], dtype=np.bool_),
            "text": pd.Series([verdict.text for verdict in verdicts], dtype=object),
        }
    )

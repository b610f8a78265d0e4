"""An alignment as two pandas data frames, for whatever compares runs, groups verdicts or joins them.

`aligned_verdicts` has a row for each verdict, by the pair's place and then the order:

    id         object    the pair's
    order      int8      0 where the pair's first answer was shown first ("ab"), 1 for "ba"
    pair       int64     the pair's place in the benchmark
    verdict    int8      0 a, 1 b, 2 tie, 3 where no valid verdict was given
    p_a, p_b, p_tie  float64  the probability of each verdict, nan in all three where there is none
    mass       float64   the share of all probability on legal verdicts, nan where it is unknown
    cluster    int64     a code of the pair's cluster, from 0
    truncated  bool      whether an answer was shortened to fit

`aligned_trials` has a row for each verdict and human vote on its pair, with all of these columns and

    vote        int64    the vote's number among those on the pair
    label       int8     what it says, as a verdict's code
    in_order    bool     whether it saw the answers in the verdict's order
    right       bool     whether the verdict is the vote
    in_paper    bool     whether the trial counts in the figure of the `paper` profile
    paper_right bool     whether it is right by that profile

A verdict is (id, order), a trial (id, order, vote): `VERDICT` and `TRIAL` are the keys to join the frames of two runs
by. Ids are plain objects, because JSON can name half a character, which no string of Arrow holds.

Knows: what an alignment and the `paper` profile hold. Does not know: runs.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pandas as pd

from edge_judge.metrics.alignment import Alignment
from edge_judge.metrics.intervals import Codes, Flags, Numbers, rate
from edge_judge.metrics.scoring import paper_trials
from edge_judge.metrics.verdict_frame import P
from edge_judge.records import Figure

Frame: TypeAlias = pd.DataFrame

VERDICT = ["id", "order"]
TRIAL = ["id", "order", "vote"]


def aligned_verdicts(aligned: Alignment) -> Frame:
    """A row for each verdict."""
    ids = [aligned.benchmark.pairs[place].id for place in aligned.pair]
    return pd.DataFrame(
        {
            "id": pd.Series(ids, dtype=object),
            "order": aligned.reverse.astype(np.int8),
            "pair": aligned.pair,
            "verdict": aligned.verdict.astype(np.int8),
            **dict(zip(P, aligned.p.T, strict=True)),
            "mass": aligned.mass,
            "cluster": aligned.cluster,
            "truncated": aligned.truncated,
        }
    )


def aligned_trials(aligned: Alignment, verdicts: Frame) -> Frame:
    """A row for each verdict and vote. verdicts: the frame of the same alignment."""
    trials = verdicts.take(aligned.row).reset_index(drop=True)
    counted, right = paper_trials(aligned)
    in_paper, paper_right = np.zeros((2, len(trials)), np.bool_)
    in_paper[counted], paper_right[counted] = True, right
    return trials.assign(
        vote=aligned.vote,
        label=aligned.label.astype(np.int8),
        in_order=aligned.in_order,
        right=trials["verdict"].to_numpy() == aligned.label,
        in_paper=in_paper,
        paper_right=paper_right,
    )


def probabilities(frame: Frame) -> Numbers:
    """The probabilities of a frame's rows: shape (rows, 3)."""
    p: Numbers = frame[P].to_numpy()
    return p


def flags(frame: Frame, column: str) -> Flags:
    values: Flags = frame[column].to_numpy()
    return values


def codes(frame: Frame, column: str) -> Codes:
    values: Codes = frame[column].to_numpy(np.int64)
    return values


def share(hits: Flags, frame: Frame) -> Figure:
    """The share of a frame's rows that are hits, with its interval."""
    return rate(hits, codes(frame, "cluster"))

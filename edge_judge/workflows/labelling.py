"""A person's verdicts on some pairs of a ranking: which to ask for next, and what they say of the judge's.

Knows: outputs, files of labels. Does not know: how figures are computed or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_judge.analysis.ranking.games import Games
from edge_judge.analysis.ranking.labels import HumanVerdict
from edge_judge.analysis.ranking.pairs import AnswerPair
from edge_judge.analysis.ranking.suggest import skipped, suggest, to_label
from edge_judge.benchmarks.labels_file import CELL, PairTexts, labels_csv, read_labels, too_long
from edge_judge.benchmarks.rows import File
from edge_judge.errors import UsageError
from edge_judge.files import write_whole
from edge_judge.quantities import counted
from edge_judge.records import Outputs, ProgressListener


@dataclass(frozen=True, slots=True)
class SuggestedPairs:
    """The file of pairs to label next, and how many there are in it."""

    path: Path
    pairs: int


def human_verdicts(path: Path, games: Games, outputs: Outputs, listener: ProgressListener) -> tuple[HumanVerdict, ...]:
    """The labels in a file. A note tells of pairs that were passed over: then the labels are no random sample.

    Raises DataError for a label on a pair that is not there, and for one that is none.
    """
    pairs = to_label(games)
    labels = read_labels(File.open(path), [_texts(pair, outputs) for pair in pairs])
    if left := skipped(pairs, [label.pair for label in labels]):
        listener.note(
            f"{path}: {counted(left, 'pair')} suggested before the last labelled one without a label; "
            "the correction is valid only if none were skipped on purpose"
        )
    return labels


def write_suggested(
    path: Path, count: int, games: Games, labels: tuple[HumanVerdict, ...], outputs: Outputs, listener: ProgressListener
) -> SuggestedPairs:
    """Write the next pairs to label. Raises UsageError where the file exists: it may hold a person's work."""
    if path.exists():
        raise UsageError(f"{path} exists, and may hold a person's labels", "--out names another file")
    chosen = suggest(to_label(games), [label.pair for label in labels], count)
    if not chosen:
        raise UsageError("every pair has a label already", "leave --suggest out")
    texts = [_texts(pair, outputs) for pair in chosen]
    if cut := too_long(texts):
        pairs = counted(len(cut), "pair")
        listener.note(f"{path}: Excel cuts off the texts of {pairs} (over {CELL:,} characters)")
    write_whole(path, labels_csv(texts).encode())
    return SuggestedPairs(path, len(chosen))


def _texts(pair: AnswerPair, outputs: Outputs) -> PairTexts:
    question = next(task.question for task in outputs.tasks if task.id == pair.question)
    answers = (outputs.answers[pair.question, system] for system in (pair.first, pair.second))
    return PairTexts(pair, question, *answers)

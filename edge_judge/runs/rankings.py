"""The folder of a ranking's run: results/rank/<name>/<model>/<scheme>/<grammar>/. The one file that touches it.

    run.json, verdicts.jsonl   as in a run on a benchmark
    meetings.jsonl             a line a meeting of two systems on a question, with its pair
    ranking.json               the figures; its presence means that the ranking is complete

A verdict belongs to a pair of texts, whose hash is in its id. So outputs that change, or another system, are no other
settings: the same command judges the new pairs and keeps the verdicts on the others.

Knows: meetings as lines, what is damaged. Does not know: outputs' files, how figures are computed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from edge_judge import foreign_json
from edge_judge.analysis.ranking.combined import TokensRead
from edge_judge.analysis.ranking.design import Meeting
from edge_judge.errors import RunError, naming
from edge_judge.files import write_whole
from edge_judge.records import Identity, Verdict
from edge_judge.runs.folder import RunFolder, noted, run_that_goes_on
from edge_judge.runs.format import ANEW, MOST_NUMBER, read_run_json
from edge_judge.runs.replacing import find_file, is_complete, read_together

RANKINGS = "rank"  # the folder under results/
MEETINGS = "meetings.jsonl"
CASCADE = "cascade"  # in run.json: what the large judge of a cascade reads
_AGAIN = "the same edge-judge rank command completes it"


@dataclass(frozen=True, slots=True)
class RecordedRanking:
    """A complete ranking as its folder keeps it. missing: how many questions each system did not answer; questions: how
    many there were; against: the baseline, None where all systems met.
    """

    identity: Identity
    settings: Mapping[str, Any]
    systems: tuple[str, ...]
    missing: Mapping[str, int]
    questions: int
    against: str | None
    meetings: tuple[Meeting, ...]
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """What a judge has judged so far, be its ranking complete or not."""

    identity: Identity
    verdicts: tuple[Verdict, ...]


class RankingFolder(RunFolder):
    """The run of a ranking on disk."""

    FIGURES: ClassVar[str] = "ranking.json"
    FILES: ClassVar[tuple[str, ...]] = ("run.json", "verdicts.jsonl", MEETINGS, "ranking.json")

    def keep_meetings(self, held: Sequence[Meeting]) -> None:
        """Write who met whom on which question, whole or not at all."""
        lines = (json.dumps(asdict(meeting), ensure_ascii=False) + "\n" for meeting in held)
        write_whole(self.path / MEETINGS, "".join(lines).encode(errors="surrogatepass"))

    def keep_tokens(self, passed: Iterable[str], everything: Iterable[str], tokens: TokensRead) -> None:
        """Note what the large judge of a cascade reads. passed, everything: ids of the pairs that it is counted for."""
        self.add(CASCADE, {"pairs_sha256": _digest(passed, everything), **asdict(tokens)})


def read_ranking(path: Path) -> RecordedRanking:
    """A complete ranking from its folder. Raises RunError for a folder that is none, is not complete or is damaged."""
    return read_together(path, RankingFolder.FIGURES, lambda: _ranking(path))


def _ranking(path: Path) -> RecordedRanking:
    run = _run(path)
    if not is_ranked(path):
        raise RunError(f"{path}: the ranking is not complete", _AGAIN)
    figures = _object(_file(path, RankingFolder.FIGURES))
    if fault := _fault(figures):
        raise RunError(f"{path}: not a ranking: {fault}", ANEW)
    systems, missing = tuple(figures["systems"]), dict(figures["missing"])
    questions, against = figures["questions"], figures["against"]
    held, verdicts = tuple(_meetings(_file(path, MEETINGS))), tuple(run.verdicts())
    return RecordedRanking(run.identity, run.settings, systems, missing, questions, against, held, verdicts)


def is_ranked(path: Path) -> bool:
    """Whether the ranking in this folder is complete."""
    return is_complete(path, RankingFolder.FIGURES)


def read_tokens(path: Path, passed: Iterable[str], everything: Iterable[str]) -> TokensRead | None:
    """What `keep_tokens` noted in a ranking's folder, if it was for these pairs."""
    note = noted(run_that_goes_on(path), CASCADE, RankingFolder.FIGURES) or {}
    if note.get("pairs_sha256") != _digest(passed, everything):
        return None
    counts = [count for field in fields(TokensRead) if type(count := note.get(field.name)) is int]
    return TokensRead(*counts) if len(counts) == len(fields(TokensRead)) else None


def _digest(passed: Iterable[str], everything: Iterable[str]) -> str:
    ids = json.dumps([sorted(set(passed)), sorted(set(everything))])
    return sha256(ids.encode()).hexdigest()


def read_judged(path: Path) -> JudgedPairs:
    """The verdicts in a ranking's folder, which need not be all. Raises RunError for a folder that is none, or is
    damaged.
    """

    def read() -> JudgedPairs:
        run = _run(run_that_goes_on(path))
        return JudgedPairs(run.identity, tuple(run.verdicts()))

    return read_together(path, RankingFolder.FIGURES, read)


def _run(path: Path) -> RankingFolder:
    file = _file(path, "run.json")
    if not file.exists():
        raise RunError(f"{path}: no ranking in this folder (no run.json)", "edge-judge rank makes one")
    content = read_run_json(file)
    names = {field.name: content.get(field.name) for field in fields(Identity)}
    for name, value in names.items():
        if not isinstance(value, str):
            raise RunError(f"{path}: not a ranking: {name} is {value!r}, expected a text", ANEW)
    return RankingFolder(path, Identity(**names), content["settings"])  # type: ignore[arg-type]


def _file(path: Path, name: str) -> Path:
    return find_file(path, name, RankingFolder.FIGURES)


def _object(path: Path) -> dict[str, Any]:
    try:
        with naming(path):
            content = foreign_json.parse(path.read_bytes())
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}", ANEW) from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: expected a JSON object", ANEW)
    return content


def _fault(figures: Mapping[str, Any]) -> str | None:
    """What of ranking.json is not as it was written; None if all is."""
    systems, missing, against = figures.get("systems"), figures.get("missing"), figures.get("against")
    if not isinstance(systems, list) or not all(isinstance(name, str) and name for name in systems):
        return f"systems is {systems!r}, expected a list of names"
    if not isinstance(missing, dict) or not all(_is_count(number) for number in missing.values()):
        return f"missing is {missing!r}, expected a number for each system"
    if not _is_count(figures.get("questions")):
        return f"questions is {figures.get('questions')!r}, expected a number"
    if "against" not in figures:
        return "against is not there, expected one of the systems or null"
    return None if against is None or against in systems else f"against is {against!r}, expected one of the systems"


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_NUMBER


def _meetings(file: Path) -> list[Meeting]:
    if not file.exists():
        raise RunError(f"{file}: no such file", _AGAIN)
    held = []
    with naming(file):
        lines = file.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if line:
            try:
                meeting = Meeting(**foreign_json.parse(line))
            except (ValueError, TypeError) as error:
                raise RunError(f"{file}:{number}: not a meeting: {error}", ANEW) from error
            held.append(_whole(meeting, f"{file}:{number}"))
    return held


def _whole(meeting: Meeting, place: str) -> Meeting:
    """The meeting, if each field is of its kind: a file may have been edited."""
    kinds = {"swapped": bool, "same": bool, "length_first": int, "length_second": int}
    for field in fields(Meeting):
        value, kind = getattr(meeting, field.name), kinds.get(field.name, str)
        if type(value) is not kind or (kind is int and not _is_count(value)):
            raise RunError(f"{place}: not a meeting: {field.name} is {value!r}", ANEW)
    return meeting

"""Ranking systems by a judge's verdicts on their outputs, by recorded rankings, or by votes that others reached.

Knows: outputs, who meets whom, which options go together. Does not know: how a verdict is reached, how figures are
computed or shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edge_judge.analysis.ranking.design import meetings, pairs_of
from edge_judge.analysis.ranking.labels import HumanVerdict, correct
from edge_judge.analysis.ranking.standings import RankedSystems, stand
from edge_judge.analysis.ranking.two_judges import TwoJudges, two_judges
from edge_judge.benchmarks.custom import name_of
from edge_judge.benchmarks.outputs import load_outputs, name_of_outputs
from edge_judge.benchmarks.preferences import load_preferences
from edge_judge.errors import UsageError, nearest
from edge_judge.files import write_whole
from edge_judge.records import Benchmark, Limits, Outputs, ProgressListener
from edge_judge.report.page.ranking_document import build
from edge_judge.workflows.combined_judges import check_combination, rank_by_cascade, rank_by_jury, recorded_rankings
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.labelling import SuggestedPairs, human_verdicts, write_suggested
from edge_judge.workflows.options import (
    ClusterOptions,
    JudgeOptions,
    LabelOptions,
    OutputsOptions,
    ProtocolOptions,
    RankSettings,
)
from edge_judge.workflows.ranking_runs import Match, rank_by
from edge_judge.workflows.target import check_target

SHOWN = 3  # ids of missing answers that are named


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """The file of a page, and how large it is."""

    path: Path
    bytes: int


@dataclass(frozen=True, slots=True)
class Rankings:
    """A ranking for each judge, in the order in which they were named, after that of a jury or a cascade of them where
    one was asked for; compared: each other judge with the first; suggested: pairs for a person to label. outputs: what
    the systems answered, None where only verdicts are known; page: where it was asked for.
    """

    rankings: tuple[RankedSystems, ...]
    compared: tuple[TwoJudges, ...] = ()
    suggested: SuggestedPairs | None = None
    outputs: Outputs | None = None
    page: WrittenPage | None = None


def rank(
    outputs: OutputsOptions,
    judge: JudgeOptions = JudgeOptions(),
    protocol: ProtocolOptions = ProtocolOptions(),
    limits: Limits = Limits(),
    settings: RankSettings = RankSettings(),
    labels: LabelOptions = LabelOptions(),
    listener: ProgressListener = ProgressListener(),
    cluster: ClusterOptions = ClusterOptions(),
) -> Rankings:
    """Rank systems by their answers to the same questions: a ranking for each judge, and for all of them together.

    The same call again goes on where it was stopped; with other outputs it judges only the pairs that are new. Raises
    UsageError for options that do not go together and for more verdicts than anybody asked for by number, DataError for
    outputs or labels that are of no use, RunError for a recorded ranking that is not whole.
    """
    if settings.page is not None and not settings.page.parent.is_dir():
        raise UsageError(f"{settings.page.parent}: no such folder", "use a file in an existing folder with --page")
    check_target(settings.page, "use another name with --page")
    folders = [path for path in outputs.paths if path.is_dir()]
    if outputs.preferences or folders:
        if labels != LabelOptions():
            raise UsageError("--labels and --suggest need the answers", "name the files of outputs")
        if settings.stops or settings.games is not None or settings.schemes or settings.models:
            raise UsageError(
                "--model, --scheme, --games and --stop do nothing where nothing is judged", "leave them out"
            )
        rankings = _recorded(outputs, folders, settings) if folders else (_by_preferences(outputs, settings),)
        return _with_page(Rankings(rankings, _compared(rankings)), settings.page)
    judges = _judges(judge, settings)
    check_combination(settings, len(judges))
    if len(judges) > 1 and judge.gguf is not None:
        raise UsageError("--gguf is one file: --model and --scheme name it once", "rank with one file after the other")
    if len(judges) > 1 and cluster != ClusterOptions():
        raise UsageError("several judges do not work on several machines", "rank with one judge after the other")
    match = _match(outputs, settings, listener)
    for options in judges[1:]:  # one that is not here is no news for when the first has judged everything
        if options.engine is None and options.gguf is None:
            find_judge(options)
    if settings.cascade is not None:
        rankings = rank_by_cascade(match, judges, protocol, limits, settings, listener)
    else:
        rankings = tuple(rank_by(match, one, protocol, limits, settings, listener, cluster) for one in judges)
        rankings = (rank_by_jury(rankings), *rankings) if settings.jury else rankings
    return _with_page(_labelled(rankings, match.outputs, labels, listener), settings.page)


def _judges(judge: JudgeOptions, settings: RankSettings) -> tuple[JudgeOptions, ...]:
    """Every model with every scheme."""
    models = tuple(dict.fromkeys(settings.models)) or (judge.model,)
    schemes = tuple(dict.fromkeys(settings.schemes)) or (judge.scheme,)
    if judge.gguf is not None and len(models) > 1:
        raise UsageError("--gguf is one judge, so several --model do nothing", "rank with one after the other")
    return tuple(replace(judge, model=model, scheme=scheme) for model in models for scheme in schemes)


def _match(outputs: OutputsOptions, settings: RankSettings, listener: ProgressListener) -> Match:
    loaded = load_outputs(outputs.paths, outputs.format)
    if settings.stops and settings.games is not None:
        raise UsageError(
            "--games does not go with --stop, --margin or --budget",
            "leave --games out: these options decide how much is judged",
        )
    held = meetings(loaded, settings.against, settings.games if isinstance(settings.games, int) else None)
    _note_missing(loaded, listener)
    name = name_of(Path(f"{outputs.name}.")) if outputs.name else name_of_outputs(outputs.paths)
    benchmark = Benchmark(name, pairs_of(loaded, held), loaded.sha256, True, str(outputs.paths[0]))
    return Match(loaded, tuple(held), benchmark)


def _labelled(
    rankings: tuple[RankedSystems, ...], outputs: Outputs, labels: LabelOptions, listener: ProgressListener
) -> Rankings:
    """With a person's labels beside the judges' votes, and the pairs to label next."""
    games = rankings[0].games
    known: tuple[HumanVerdict, ...] = ()
    if labels.labels is not None:
        known = human_verdicts(labels.labels, games, outputs, listener)
        rankings = tuple(replace(ranked, correction=correct(ranked.games, known), labels=known) for ranked in rankings)
    compared = _compared(rankings)
    if labels.suggest is None:
        return Rankings(rankings, compared, outputs=outputs)
    suggested = write_suggested(labels.out, labels.suggest, games, known, outputs, listener)
    return Rankings(rankings, compared, suggested, outputs)


def _with_page(found: Rankings, path: Path | None) -> Rankings:
    """Write the page, if one is asked for."""
    if path is None:
        return found
    content = build(found.rankings, found.compared, found.outputs).encode()
    write_whole(path, content)
    return replace(found, page=WrittenPage(path, len(content)))


def _compared(rankings: Sequence[RankedSystems]) -> tuple[TwoJudges, ...]:
    """Whether each other judge would have said the same as the first."""
    first, *others = rankings
    return tuple(two_judges(first.games, other.games, baseline=first.against) for other in others)


def _recorded(outputs: OutputsOptions, folders: Sequence[Path], settings: RankSettings) -> tuple[RankedSystems, ...]:
    if len(folders) < len(outputs.paths) or outputs.preferences:
        raise UsageError("folders of rankings do not go with files", "name folders or files")
    if settings.against is not None:
        raise UsageError(
            "--against does nothing for recorded rankings",
            "leave it out: the ranking was made with or without a baseline",
        )
    return recorded_rankings(folders, settings)


def _by_preferences(outputs: OutputsOptions, settings: RankSettings) -> RankedSystems:
    """The ranking by votes in files, which no judge reached."""
    if settings.jury or settings.cascade is not None:
        raise UsageError("--jury and --cascade do nothing with --preferences", "leave them out")
    if outputs.paths:
        raise UsageError("--preferences does not go with outputs", "leave the outputs out: the file has the votes")
    games, against = load_preferences(outputs.preferences), settings.against
    if against is not None:
        if against not in games.systems:
            raise UsageError(f"--against '{against}': no such system", nearest(against, games.systems))
        games = games.of(((games.frame["first"] == against) | (games.frame["second"] == against)).to_numpy())
    return stand(games, name=outputs.name or name_of_outputs(outputs.preferences), against=against)


def _note_missing(outputs: Outputs, listener: ProgressListener) -> None:
    for system in outputs.systems:
        if missing := outputs.missing(system):
            named = ", ".join(missing[:SHOWN]) + (", …" if len(missing) > SHOWN else "")
            listener.note(
                f"{system}: {len(missing):,} of {len(outputs.tasks):,} answers are missing ({named}); "
                "it is compared where it answered"
            )

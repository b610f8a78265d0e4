"""What ranked systems say in words: who beats whom, what can be relied on, what labels and another judge say of it.

Knows: sentences. Does not know: tables, where figures come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_judge.analysis.ranking.combined import CascadeJudge, CombinedJudge, JuryJudge
from edge_judge.analysis.ranking.ratings import Difference
from edge_judge.analysis.ranking.standings import RankedSystems
from edge_judge.analysis.ranking.stopping import PairDecision, Statement
from edge_judge.analysis.ranking.two_judges import Shift, TwoJudges
from edge_judge.quantities import counted
from edge_judge.records import Figure, Identity
from edge_judge.report.formatting import difference_of_shares, interval, percent, signed_number, value

MANY_QUESTIONS = 100  # from which intervals at equal length were seen to hold for strong systems too
NAMED = 3  # pairs of systems that are named where there are more
UNBOUNDED = {
    "above": "it lost to none of some others, so its rating has no upper bound",
    "below": "it won against none of some others, so its rating has no lower bound",
}


def judge_name(ranked: RankedSystems) -> str:
    """Who judged."""
    if ranked.combined is not None:
        return combined_name(ranked.combined)
    who = ranked.identity
    return "recorded votes" if who is None else f"{who.model} {who.scheme} with --grammar {who.grammar}"


def combined_name(judge: CombinedJudge) -> str:
    """Which judges voted together, and how."""
    if isinstance(judge, JuryJudge):
        *members, last = _names(judge.members)
        return f"a jury of {', '.join(members)} and {last}{_grammar(judge.members)}"
    both = judge.small, judge.large
    small, large = _names(both)
    return f"a cascade of {small} and, below {judge.threshold:.12g}, {large}{_grammar(both)}"


def _names(judges: Sequence[Identity]) -> list[str]:
    """What tells each from the others; the first in full."""
    first, *others = judges
    same_model = len({who.model for who in judges}) == 1
    schemes = (who.scheme if same_model else f"{who.model} {who.scheme}" for who in others)
    named = [f"{first.model} {first.scheme}", *schemes]
    return [name if _grammar(judges) else f"{name} {who.grammar}" for name, who in zip(named, judges, strict=True)]


def _grammar(judges: Sequence[Identity]) -> str:
    """The grammar, where all have one."""
    return f" with --grammar {judges[0].grammar}" if len({who.grammar for who in judges}) == 1 else ""


def size_of(ranked: RankedSystems) -> str:
    """How many systems answered how many questions."""
    return f"{counted(len(ranked.standings), 'system')}, {counted(ranked.questions, 'question')}"


def short_judge_name(ranked: RankedSystems) -> str:
    if ranked.combined is not None:
        return "the jury" if isinstance(ranked.combined, JuryJudge) else "the cascade"
    return ranked.name if ranked.identity is None else f"{ranked.identity.model} {ranked.identity.scheme}"


def answer(ranked: RankedSystems) -> Iterator[str]:
    """Who beats whom: as far as it was judged where one could stop, else after all votes."""
    if ranked.decided is None:
        yield from _after_all(ranked)
        return
    for pair in ranked.decided.pairs:
        yield statement(pair)
    alone = len(ranked.decided.pairs) == 1
    held = "this holds" if alone else "all of this holds together"
    yield f"{held} in 95 % of cases at any stopping point; the table's intervals assume a fixed number of votes"


def statement(pair: PairDecision) -> str:
    """What is known of two systems, on new questions like these."""
    known = pair.new
    seen = f"{known.questions:,} of {counted(pair.questions_total, 'question')}"
    if known.outcome == "second":
        return f"{pair.second} beats {pair.first} ({_rate(_turned(known.rate))}, {seen})"
    if known.outcome == "first":
        return f"{pair.first} beats {pair.second} ({_rate(known.rate)}, {seen})"
    if known.outcome == "equal":
        return f"{pair.first} and {pair.second} are within the margin ({_rate(known.rate)}, {seen})"
    return f"{pair.first} and {pair.second}: not decided ({_rate(known.rate)}, {seen}{_outlook(known)})"


def comparison(compared: TwoJudges, first: RankedSystems, other: RankedSystems) -> str:
    """Whether the other judge would have said the same as the first."""
    said = same_order(compared, short_judge_name(first), short_judge_name(other))
    left = f" ({counted(compared.left_out, 'vote')} that only one of them has left out)" if compared.left_out else ""
    return said + left


def same_order(compared: TwoJudges, first: str, second: str) -> str:
    """What changes with the second judge, in one sentence. first, second: the judges' names."""
    pairs = f"{counted(compared.decided, 'pair')} of systems"
    if not compared.decided:
        said = f"{first} decides no pair of systems, so {second} cannot reverse one"
    elif not compared.reversed and not compared.undecided:
        which = f"the {pairs}" if compared.decided == 1 else f"all {pairs}"
        said = f"{second} decides {which} that {first} decides, in the same order"
    else:
        said = (
            f"of the {pairs} that {first} decides, {second} decides {compared.kept} alike, "
            f"leaves {_counted(compared.undecided)} undecided and reverses {_counted(compared.reversed)}"
        )
    more = f", and it decides {len(compared.gained)} more" if compared.gained else ""
    tau = interval(compared.tau, "{:.2f}".format)
    agreement = f"; Kendall's tau of the ratings is {tau}" if compared.tau.value is not None else ""
    return said + more + agreement + _largest(compared.shifts[:1]) + "."


def _counted(differences: Sequence[Difference]) -> str:
    """How many, and which where they are few."""
    named = "; ".join(f"{one.better} over {one.worse}" for one in differences)
    return f"{len(differences)} ({named})" if 0 < len(differences) <= NAMED else f"{len(differences)}"


def _largest(shifts: Sequence[Shift]) -> str:
    """The first shift, where it is a point or so."""
    for shift in shifts:
        if shift.points.value is not None and abs(shift.points.value) >= 0.5:
            return f", the largest shift {signed_number(shift.points.value, '+.0f')} points ({shift.system})"
    return ""


def explanations(ranked: RankedSystems) -> Iterator[str]:
    """What must be known to read the table."""
    base = "all others" if ranked.against is None else ranked.against
    yield f"win rate: against {base}, by the judge's probabilities, a tie is half a win"
    middle = "the mean" if ranked.against is None else ranked.against
    yield f"rating: Bradley-Terry with ties on Elo's scale, 1000 is {middle}; best: the probability of the first rank"
    if ranked.against is not None:
        yield "equal length: the win rate as it would be with answers as long as the baseline's (AlpacaEval 2)"
        if ranked.questions < MANY_QUESTIONS:
            yield (
                f"with fewer than {MANY_QUESTIONS} questions the interval at equal length is too narrow for a system "
                "that wins or loses nearly all"
            )
    letters = "" if ranked.decided else "; systems that share a group letter cannot be told apart"
    yield f"intervals: 95 %, over questions{letters}"


def about_judges(ranked: RankedSystems) -> Iterator[str]:
    """How several judges vote as one."""
    judge = ranked.combined
    if isinstance(judge, JuryJudge):
        each = "the mean of the judges' probabilities" if judge.way == "mean probability" else "the verdict of the most"
        yield f"jury: {each} on each pair and order; a judge without a valid verdict has no vote there"
    if isinstance(judge, CascadeJudge):
        large = f"{judge.large.model} {judge.large.scheme}"
        passed = percent(judge.passed / judge.pairs) if judge.pairs else "0"
        yield f"cascade: {judge.passed:,} of {judge.pairs:,} pairs ({passed} %) went to {large}{_saved(judge)}"


def _saved(judge: CascadeJudge) -> str:
    if judge.tokens is None or not judge.tokens.everything:
        return ""
    read, everything = judge.tokens.passed, judge.tokens.everything
    return f", which read {read:,} tokens instead of {everything:,}: {percent(1 - read / everything)} % saved"


def about_votes(ranked: RankedSystems) -> Iterator[str]:
    """How far the votes can be relied on."""
    quality, preference = ranked.quality, ranked.length_preference
    if ranked.unasked:
        yield f"{ranked.unasked:,} pairs of identical answers count as ties without being judged"
    if quality.consistency.value is not None:
        yield (
            f"same verdict in both orders {interval(quality.consistency, percent)} %, position bias "
            f"{interval(quality.position_bias, difference_of_shares)} points, "
            f"ties {value(quality.ties, percent)} %, near-ties {value(quality.near_ties, percent)} %"
        )
    if preference.win_rate.value is not None:
        yield (
            f"of two equal systems the one with answers {preference.characters or 0:,.0f} characters longer would win "
            f"{interval(preference.win_rate, percent)} %"
        )
    if quality.cycles.k:
        yield f"{quality.cycles.k} of {quality.cycles.n} triples of systems are cycles: A beats B, B beats C, C beats A"
    errors = quality.format_errors
    if errors.k:
        yield f"{errors.k:,} of {errors.n:,} votes have no valid verdict and are not counted"
    for standing in ranked.standings:
        if standing.rating.unbounded:
            yield f"{standing.system}: {UNBOUNDED[standing.rating.unbounded]}"


def about_labels(ranked: RankedSystems) -> Iterator[str]:
    """What a person's labels say of the judge, and how to read the corrected rates."""
    correction = ranked.correction
    if correction is None:
        return
    agreed = interval(correction.accuracy, percent)
    yield f"{counted(correction.labels, 'label')}; the judge's verdicts agree with them in {agreed} %"
    yield (
        "corrected: what a person would say, from the labels and the judge's votes (prediction-powered inference); "
        "worth: how many times as many labels would be needed without the judge"
    )


def _after_all(ranked: RankedSystems) -> Iterator[str]:
    differences = ranked.ranking.differences
    decided, undecided = ([one for one in differences if one.decided is flag] for flag in (True, False))
    for one in decided[: NAMED if len(differences) > NAMED else None]:
        met = ranked.matrix.get((one.better, one.worse))
        rate = f" ({_rate(met.soft)}, {counted(met.questions, 'question')})" if met else " (by way of others)"
        yield f"{one.better} beats {one.worse}{rate}"
    if len(differences) > NAMED and decided:
        yield f"{len(decided)} of {counted(len(differences), 'pair')} of systems are decided"
    if undecided:
        named = ", ".join(f"{one.better} and {one.worse}" for one in undecided[:NAMED])
        more = f" and {counted(len(undecided) - NAMED, 'more pair')}" if len(undecided) > NAMED else ""
        yield f"not told apart by these votes: {named}{more}"


def _rate(figure: Figure) -> str:
    """A win rate in whole percent with its interval."""
    shown = interval(figure, lambda part: f"{100 * part:.0f}")
    number, _, ends = shown.partition(" ")
    return f"{number} % {ends}".strip()


def _turned(figure: Figure) -> Figure:
    """The rate of the other system."""
    value, low, high = (None if end is None else 1 - end for end in (figure.value, figure.high, figure.low))
    return Figure(value, low, high, n=figure.n)


def _outlook(known: Statement) -> str:
    return "" if known.more is None else f"; about {counted(known.more, 'more question')} would decide it"


def all_notes(ranked: RankedSystems) -> Sequence[str]:
    """All of them, in the order in which they stand below the tables."""
    return [*answer(ranked), *about_labels(ranked), *explanations(ranked), *about_judges(ranked), *about_votes(ranked)]

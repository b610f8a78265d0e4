"""What a machine does with a model, and how long work takes at those rates."""

import math
from dataclasses import fields, replace

import pytest
from checkpoints import make_checkpoint, qwen2_config

from edge_judge.engine import LocalEngine, Model, throughput
from edge_judge.engine.throughput import Rates, Rough
from edge_judge.errors import ModelError
from edge_judge.judging import workload
from edge_judge.judging.judge import judge
from edge_judge.judging.prompting import make_prompts
from edge_judge.judging.workload import Load
from edge_judge.protocols import grammar
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Batching, Pair
from quantize import build

CONFIG = qwen2_config(num_hidden_layers=1, intermediate_size=256, vocab_size=304, max_position_embeddings=2048)
PAIRS = [Pair(str(n), f"Say {n}.", f"{n}", f"I'm sure it's {n + 1}") for n in range(5)]
PAIRWISE = Protocol(grammar.load("pairwise"))
RATES = Rates(
    prompt=100.0, alone=4.0, together=20.0, slots=16, load_seconds=3.0, threads=2, writing_threads=2,
    peak_rss=0, cache=0, cache_cells=0, work=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def gguf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rates")
    make_checkpoint(folder / "model", CONFIG, seed=3)
    return build.quantize(
        build.FolderSource(folder / "model", "tiny"), "q8_0", build.BuildOptions(folder / "tiny.gguf", threads=1)
    ).path


@pytest.fixture(scope="module")
def model(gguf):
    with Model(gguf, threads=1) as loaded:
        yield loaded


class Planning(LocalEngine):
    """Keeps the plans of the work that it was asked for last."""

    planned = ()

    def probabilities(self, *asked):
        return self._keep(super().probabilities(*asked))

    def write(self, *asked):
        return self._keep(super().write(*asked))

    def _keep(self, work):
        self.planned = work.plans
        return work


@pytest.mark.parametrize(
    ("tokens", "prompts", "each", "expected"),
    [
        (0, 0, 0, 3.0),  # loading alone
        (5000, 40, 0, 3.0 + 50.0),  # nothing is written
        (5000, 40, 100, 3.0 + 50.0 + 200.0),  # 4000 tokens, 20 a second
        (50, 1, 100, 3.0 + 0.5 + 25.0),  # one answer: 100 tokens, 4 a second
        (50, 5, 100, 3.0 + 0.5 + 25.0),  # five answers side by side are done no sooner than one
    ],
)
def test_reading_takes_its_rate_and_writing_that_of_full_slots_but_no_less_than_one_answer(
    tokens, prompts, each, expected
):
    assert throughput.seconds(RATES, tokens, prompts, each) == pytest.approx(expected)


def test_everything_measured_is_finite_and_above_zero(model):
    found = throughput.measure(model, 1.0, duration=0.01)
    numbers = [getattr(found, one.name) for one in fields(found) if one.name != "offloaded"]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert found.load_seconds > 1.0 and (found.slots, found.threads) == (Batching().slots, 1)
    assert found.cache == 2 * 2 * CONFIG["hidden_size"] * found.cache_cells  # keys and values of one layer, f16


def test_a_model_with_a_context_shorter_than_the_prompts_measured_is_measured_too(tmp_path):
    make_checkpoint(tmp_path / "model", CONFIG | {"max_position_embeddings": 128}, seed=3)
    path = build.quantize(
        build.FolderSource(tmp_path / "model", "short"), "f16", build.BuildOptions(tmp_path / "short.gguf", threads=1)
    ).path
    with Model(path, threads=1) as short:
        assert throughput.measure(short, 0.0, duration=0.01).prompt > 0


@pytest.mark.parametrize("name", ["pairwise", "pairwise-cot", "pointwise", "none"])
def test_what_a_run_reads_is_counted_as_the_run_itself_plans_it(model, name):
    protocol = Protocol(grammar.load(name), written=3 if name in ("pairwise-cot", "none") else None)
    questions = [Question(pair, order) for pair in PAIRS for order in protocol.orders]
    engine = Planning.of(model)
    assert len(list(judge(engine, protocol, questions))) == len(questions)
    planned = engine.planned
    sequences = [sequence for part in planned for sequence in part.sequences]
    found = workload.load(LocalEngine.of(model), protocol, PAIRS)
    prompts = [prompt.encoded.tokens for prompt in make_prompts(LocalEngine.of(model), protocol, questions)]
    assert found == Load(
        verdicts=10,
        prompts=len(set(prompts)),
        tokens=sum(part.tokens for part in planned),
        tokens_alone=sum(max(map(len, (s for s in sequences if s[: len(one)] == one))) for one in prompts),
        each=protocol.limit,
        shortened=0,
    )
    assert 0 < found.tokens < found.tokens_alone


def test_pairs_that_do_not_fit_are_counted_as_they_would_be_shortened(model):
    long = replace(PAIRS[0], id="long", a="word " * 3000)
    found = workload.load(LocalEngine.of(model), PAIRWISE, [*PAIRS, long])
    assert (found.verdicts, found.shortened) == (12, 2)
    assert found.tokens_alone < 12 * model.trained_context
    with pytest.raises(ModelError, match="do not fit the model's context of 2048 tokens"):
        workload.load(LocalEngine.of(model), PAIRWISE, [replace(long, question="word " * 3000)])


def test_a_made_up_vocabulary_counts_four_characters_as_a_token_and_keeps_what_is_shared(gguf):
    with Rough(gguf, threads=1) as rough, Model(gguf, threads=1) as exact:
        texts = ("", "abcd", "abcde", "\ud800世界!x")
        assert [len(rough.tokens(text, control=False)) for text in texts] == [0, 1, 2, 2]
        same, other = (rough.tokens(f"{'shared ' * 8}{text}", control=False) for text in ("one", "two"))
        assert same[:14] == other[:14] and same != other
        about, truly = (workload.load(LocalEngine.of(one), PAIRWISE, PAIRS) for one in (rough, exact))
    assert about.verdicts == truly.verdicts and about.tokens < about.tokens_alone < truly.tokens_alone

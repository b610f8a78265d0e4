"""The network that the pocket judge is trained with, and what it is taught."""

from __future__ import annotations

from itertools import islice

import pytest

torch = pytest.importorskip("torch", reason="torch is only needed to train the pocket judge")

from edge_judge.benchmarks import rubric  # noqa: E402
from edge_judge.pocket import examples, tasks, tokenizer, train  # noqa: E402
from edge_judge.pocket.network import Pocket, Shape  # noqa: E402
from edge_judge.protocols import grammar, prompts  # noqa: E402
from edge_judge.protocols.kinds import Pointwise  # noqa: E402


@pytest.fixture(scope="module")
def maker() -> examples.ExampleMaker:
    return examples.ExampleMaker(tokenizer.train_tokenizer(train.TOKENIZER_SEED))


def test_a_shared_prefix_changes_nothing_but_the_time_it_takes() -> None:
    torch.manual_seed(0)
    model = Pocket(Shape(vocab=50, hidden=64, ff=96, layers=3, heads=4)).eval()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    prefix, pairs = torch.randint(50, (7,)), torch.randint(50, (3, 5))
    whole = torch.cat((prefix[1:].expand(3, -1), pairs), 1)
    with torch.no_grad():
        shared, alone = model(prefix, pairs), model(prefix[:1], whole)[:, 6:]
    assert torch.allclose(shared, alone, atol=1e-5)


@pytest.mark.parametrize("protocol", examples.PROTOCOLS)
def test_what_is_learned_stands_where_the_answer_stands(maker: examples.ExampleMaker, protocol: str) -> None:
    for pair in islice(tasks.pairs(3, "train"), 100):
        example = maker.example(pair, examples.Setting(protocol, ties=True))
        answers = (pair.a,) if protocol == "pointwise" else (pair.a, pair.b)
        right = [answer.text[slice(*answer.core)] for answer in answers if answer.right]
        learned = maker.tokenizer.decode([example.ids[at + 1] for at in example.cores])
        assert learned.replace(" ", "") == "".join(right).replace(" ", "")
        assert [called for _, called in example.ends] == [answer.right for answer in answers]


@pytest.mark.parametrize("protocol", examples.PROTOCOLS)
def test_what_it_learns_to_reply_is_a_legal_text_that_gives_the_right_verdict(
    maker: examples.ExampleMaker, protocol: str
) -> None:
    asked = grammar.load(protocol)
    for pair in islice(tasks.pairs(4, "train"), 100):
        example = maker.example(pair, examples.Setting(protocol, ties=True))
        start, end = example.reply
        text = maker.tokenizer.decode(example.ids[start + 1 : end], skip_special_tokens=False)
        if isinstance(asked.kind, Pointwise):
            assert asked.kind.scores[text] == int(examples.GOOD if pair.a.right else examples.BAD)
        else:
            assert grammar.verdict(asked, text) == pair.label
        decisive = maker.tokenizer.decode([example.ids[at + 1] for at in example.letters[-1:]])
        assert decisive in (examples.VERDICTS[pair.label], "e", "tie", examples.GOOD, examples.BAD)


@pytest.mark.parametrize("protocol", examples.PROTOCOLS)
def test_the_prefix_and_the_example_are_the_prompt_the_product_asks(
    maker: examples.ExampleMaker, protocol: str
) -> None:
    pair, setting = next(tasks.pairs(5, "train")), examples.Setting(protocol, ties=True)
    criteria = rubric.load(None).criteria
    answers = (pair.a.text,) if protocol == "pointwise" else (pair.a.text, pair.b.text)
    content = prompts.fill(protocol, pair.question, *answers, ties=True, reference=pair.reference, criteria=criteria)
    chat = f"{tokenizer.START}user\n{content}{tokenizer.STOP}\n{tokenizer.START}assistant\n"
    example = maker.example(pair, setting)
    asked = [*maker.prefix(setting), *example.ids[: example.reply[0] + 1]]
    assert asked == maker.tokenizer.encode(chat).ids


def test_a_few_steps_lower_every_loss(maker: examples.ExampleMaker) -> None:
    torch.manual_seed(0)
    model = Pocket(Shape(vocab=maker.tokenizer.get_vocab_size(), layers=1))
    probe = torch.nn.Linear(256, 2)
    batch = next(maker.batches(1, lambda: False))
    optimizer = torch.optim.AdamW([*model.parameters(), *probe.parameters()], lr=3e-3)
    found = []
    for _ in range(12):
        losses = train.losses(model, probe, batch)
        found.append({name: loss.item() for name, loss in losses.items()})
        sum(losses.values()).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(found[-1][name] < found[0][name] for name in found[0])

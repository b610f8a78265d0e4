"""Whether a GGUF file asks its judge with the tokens that the checkpoint's own tokenizer gives.

Knows: prompts in the file's tokens and in the checkpoint's, marks, ends of a turn. Does not know: weights, verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_judge.engine import LocalEngine, Model, chat
from edge_judge.engine.spelling import candidates_after
from edge_judge.errors import ModelError
from edge_judge.inference import Reading
from edge_judge.judging.prompting import prompt_texts, trained_prompt
from edge_judge.protocols.protocol import Protocol, Question
from edge_judge.records import Benchmark, Judge, ProgressListener
from edge_judge.workflows.data import load_benchmarks
from edge_judge.workflows.judges import find_judge
from edge_judge.workflows.model_files import built_schemes
from edge_judge.workflows.options import BenchmarkOptions, JudgeOptions, ProtocolOptions
from edge_judge.workflows.protocol import protocol_for
from quantize.vocab import OriginalTokenizer

PROMPTS = 50  # prompts that are compared
State = Literal["equal", "differs", "doubtful", "fine", "not checked"]
NO_CHECKPOINT = "needs the folder of the checkpoint, with its tokenizer files"


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """One thing that was checked. state: `equal` or `differs` if it was held against the checkpoint."""

    what: str
    state: State
    detail: str

    @property
    def wrong(self) -> bool:
        return self.state in ("differs", "doubtful")


def check_model(
    model: str,
    checkpoint: Path | str | None = None,
    *,
    chat_template: str | None = None,
    benchmarks: BenchmarkOptions = BenchmarkOptions(),
    listener: ProgressListener = ProgressListener(),
) -> list[ModelCheck]:
    """Hold a model's prompts, marks and ends of a turn against its checkpoint.

    model: the name of a model that is built here, or a GGUF file; checkpoint: the folder with the tokenizer files that
    its makers published, None to check only what the file says of itself. Raises ModelError where there is no such
    model, VocabularyError where the checkpoint's tokenizer cannot be run here.
    """
    judge = _judge(model, chat_template)
    assert judge.gguf is not None
    protocol = protocol_for(judge, ProtocolOptions())
    (benchmark, *_) = load_benchmarks(benchmarks, listener)
    with Model(judge.gguf, vocab_only=True, chat=judge.chat) as loaded:
        contents = _contents(loaded, protocol, benchmark)
        original = None if checkpoint is None else OriginalTokenizer(Path(checkpoint), loaded.vocabulary)
        check = _Check(loaded, judge, original)
        return [*check.data(contents), *check.prompts(contents), *check.marks(protocol, contents[0]), *check.ends()]


def _judge(model: str, chat_template: str | None) -> Judge:
    path = Path(model)
    if path.suffix == ".gguf" or path.is_file():
        return find_judge(JudgeOptions(gguf=path, chat_template=chat_template))
    schemes = built_schemes(model)
    return find_judge(JudgeOptions(model=model, scheme=schemes[0] if schemes else None, chat_template=chat_template))


def _contents(model: Model, protocol: Protocol, benchmark: Benchmark) -> list[str]:
    """The first prompts of a benchmark, as the content of a message."""
    trained = trained_prompt(LocalEngine.of(model)) if protocol.grammar.trained_in else None
    questions = (Question(pair, order) for pair in benchmark.pairs for order in protocol.orders)
    contents: list[str] = []
    for question in questions:
        contents += prompt_texts(protocol, question, trained)
        if len(contents) >= PROMPTS:
            break
    return contents[:PROMPTS]


class _Check:
    """A loaded vocabulary and, if there is one, the checkpoint's own tokenizer."""

    def __init__(self, model: Model, judge: Judge, original: OriginalTokenizer | None) -> None:
        self._model, self._judge, self._original = model, judge, original

    def data(self, contents: Sequence[str]) -> Iterator[ModelCheck]:
        """What the file says of its tokenizer, and its chat template."""
        handling = LocalEngine.of(self._model).text_handling(contents)
        for doubt in handling.doubts:
            yield ModelCheck("tokenizer data", "doubtful", doubt)
        if not handling.doubts:
            pre = self._model.metadata("tokenizer.ggml.pre") or "unnamed"
            yield ModelCheck("tokenizer data", "fine", f"pre-tokenizer {pre}, normalizer {handling.normalizer}")
        yield self._template()

    def _template(self) -> ModelCheck:
        ours = self._model.loaded.chat_template
        if self._original is None:
            return ModelCheck("chat template", "not checked", NO_CHECKPOINT)
        theirs = self._original.special.chat_template
        if ours == theirs:
            return ModelCheck("chat template", "equal", "none, a named format is used" if ours is None else "")
        return ModelCheck(
            "chat template", "differs", "the file's is not the checkpoint's" if ours else "the file has none"
        )

    def prompts(self, contents: Sequence[str]) -> Iterator[ModelCheck]:
        first = self._model.prompt(contents[0])
        yield ModelCheck("a prompt", "fine", f"begins {self._shown(first[:4])}, ends {self._shown(first[-4:])}")
        if self._original is None:
            yield ModelCheck("prompts", "not checked", NO_CHECKPOINT)
            return
        prompts = [(self._model.prompt(content), self._expected(content)) for content in contents]
        unequal = [place for place, (ours, theirs) in enumerate(prompts) if ours != theirs]
        if not unequal:
            yield ModelCheck("prompts", "equal", f"all {len(contents)}, token for token")
            return
        ours, theirs = prompts[unequal[0]]
        at = next(i for i in range(len(ours) + 1) if ours[i : i + 1] != theirs[i : i + 1])
        yield ModelCheck(
            "prompts",
            "differs",
            f"{len(unequal)} of {len(contents)}; in prompt {unequal[0] + 1} token {at + 1} begins "
            f"{self._shown(ours[at : at + 3])}, the checkpoint has {self._shown(theirs[at : at + 3])}",
        )

    def _expected(self, content: str, answer: str = "") -> tuple[int, ...]:
        """The checkpoint's tokens of a prompt and the beginning of an answer."""
        original, loaded = self._original, self._model.loaded
        assert original is not None
        own = None if self._judge.chat else original.special.chat_template
        template = own or self._judge.chat or loaded.chat_template or ""
        text = chat.render(template, content, bos=loaded.symbol(loaded.bos), eos=loaded.symbol(loaded.eos))
        tokens, bos = original.encode(text + answer), original.role("bos")
        starts = [bos] if own is None and original.adds_bos and bos is not None and tokens[:1] != [bos] else []
        return (*starts, *tokens)

    def marks(self, protocol: Protocol, content: str) -> Iterator[ModelCheck]:
        """The tokens of each legal text after a prompt, if the protocol reads them at once."""
        if not isinstance(protocol.request, Reading):
            return
        model, prompt = self._model, self._model.prompt(content)
        end, lead = model.prompts.end(content), model.prompts.lead
        for text in protocol.request.continuations:
            tokens = model.tokenizer.continuation(end, lead + text)
            shown = f"{text!r} is {self._shown(tokens)}"
            if self._original is None:
                yield ModelCheck("mark", "not checked", shown)
                continue
            theirs = self._expected(content, lead + text)
            if theirs[: len(prompt)] != prompt:
                yield ModelCheck("mark", "fine", f"{shown}; the checkpoint would merge it into the prompt's last token")
            elif theirs[len(prompt) :] == tokens:
                yield ModelCheck("mark", "equal", shown)
            else:
                yield ModelCheck("mark", "differs", f"{shown}, the checkpoint has {self._shown(theirs[len(prompt) :])}")
        candidates = candidates_after(model.tokenizer, end, lead, protocol.request.continuations)
        detail = f"{len(candidates.paths)} ways to write {len(protocol.request.continuations)} verdicts are added up"
        unread = [self._shown(path) for path in sorted(candidates.unread)]
        more = f"; only a bound is known for what begins {', '.join(unread)}" if unread else ""
        yield ModelCheck("spellings", "fine", detail + more)

    def ends(self) -> Iterator[ModelCheck]:
        """The tokens at which writing ends."""
        model = self._model
        ends = [token for token in range(model.vocabulary) if model.ends(token)]
        shown = f"writing ends at {self._shown(ends)}"
        if self._original is None:
            yield ModelCheck("end of a turn", "not checked", shown)
            return
        roles = ("eos", "eot", "eom")
        expected = {token for token in map(self._original.role, roles) if token is not None}
        if missing := sorted(expected.difference(ends)):
            yield ModelCheck("end of a turn", "differs", f"{shown}, not at the checkpoint's {self._shown(missing)}")
        else:
            yield ModelCheck("end of a turn", "equal", shown)

    def _shown(self, tokens: Sequence[int]) -> str:
        symbols = [self._model.loaded.symbol(token) for token in tokens]
        return " ".join(symbol.replace("\n", "\\n").replace(" ", "·") for symbol in symbols) or "nothing"


def raise_if_wrong(checks: Sequence[ModelCheck], model: str) -> None:
    """Raises ModelError if a check found something wrong."""
    if wrong := [check.what for check in checks if check.wrong]:
        raise ModelError(
            f"{model}: {', '.join(dict.fromkeys(wrong))} differ from the checkpoint",
            "build the file again with `edge-judge quantize`, or use a newer conversion",
        )

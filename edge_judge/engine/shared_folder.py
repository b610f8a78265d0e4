"""An engine that shares its work with other machines through a folder that all of them see. There is no coordinator:
each runs the same command, evaluates the blocks that nobody else has taken, and reads the answers of the others.

    <block>.json       the answers to a block, as JSON: reading them runs nobody's code
    <block>.lease      who evaluates it now; renewed while that goes on, and taken over when it has grown old

Both names appear by a hard link, or by a rename, of a finished file: whole, and for one machine alone. A folder that
cannot promise this costs time, when two machines evaluate the same block, and changes no answer.
Knows: blocks, files, ages. Does not know: pairs, verdicts, which machines there are.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_judge import foreign_json
from edge_judge.engine import memory
from edge_judge.engine.cluster.blocks import (
    Block,
    BlockEngine,
    BlockWork,
    Done,
    Job,
    by_machine,
    evaluate,
    fault,
    small_blocks,
)
from edge_judge.engine.interface import Evaluated, Started
from edge_judge.engine.local import LocalReading, LocalWriting
from edge_judge.engine.plan import Plan, Query
from edge_judge.errors import RunError
from edge_judge.inference import Distribution, Footprint, Reading, Writing, Written
from edge_judge.records import Judge, Limits
from edge_judge.version import __version__

AGE = 60.0  # seconds after which a lease that was not renewed is taken over
PAUSE = 0.5  # seconds between two looks, when others have all that is left


class SharedFolderEngine(BlockEngine):
    """folder: the shared one; machine: the name of this one."""

    def __init__(
        self, judge: Judge, folder: Path, machine: str, *, threads: int | None = None, limits: Limits = Limits()
    ) -> None:
        assert judge.gguf is not None
        super().__init__(judge.gguf, chat=judge.chat, threads=threads, limits=limits)
        self._folder, self._machine, self._sha256 = folder, machine, str(judge.sha256)

    def _divided(self, work: LocalReading[Any] | LocalWriting, job: Job, blocks: list[Block]) -> SharedWork:
        deciding = [self._sha256, dict(self.versions), __version__, self.limits.cache, job.batching, job.reserve]
        key = repr([*deciding, _request_key(job.request)])
        store = BlockFiles(self._folder, self._machine)
        return SharedWork(work, job, self, {_name(key, block): block for block in blocks}, store)

    def _blocks(self, queries: Sequence[Query]) -> list[Plan]:
        return small_blocks(queries)


@dataclass(frozen=True, slots=True)
class SharedWork(BlockWork):
    """Work that others do too. blocks: by the names of their files."""

    engine: SharedFolderEngine
    blocks: dict[str, Block]
    store: BlockFiles

    def answers(self, started: Started, evaluated: Evaluated) -> Generator[tuple[int, Any], None, None]:
        self.store.check()
        started(Footprint(memory.now(), 0, 0, 0), self.job.batching)
        left = dict(self.blocks)
        while left:
            name = self._next(left)
            if name is None:
                time.sleep(PAUSE)
                continue
            block = left[name]
            answers = self.store.read(name, self.job, block)
            if answers is not None:
                del left[name]
                yield from answers
                evaluated(block.tokens)

    def _next(self, left: dict[str, Block]) -> str | None:
        """A block that has answers now: another machine's, or else this one's, made here; None if there is none."""
        present = self.store.names()
        ready = next((name for name in left if f"{name}.json" in present), None)
        if ready is not None:
            return ready
        for name in left:
            with self.store.leased(name) as mine:
                if mine:
                    engine, block = self.engine, left[name]
                    answers = tuple(evaluate(engine.model, self.job, block, engine.limits))
                    self.store.write(name, block, answers)
                    return name
        return None


class BlockFiles:
    """The files of blocks in a shared folder. machine: the name of this one."""

    def __init__(self, folder: Path, machine: str) -> None:
        self._folder, self._machine = folder, machine

    def check(self) -> None:
        """Raises RunError where the folder is not there: made here, it would be shared with nobody."""
        if not self._folder.is_dir():
            raise RunError(f"{self._folder}: no such folder", "--shared-folder names one that all machines see")

    def names(self) -> frozenset[str]:
        return frozenset(os.listdir(self._folder))

    def read(self, name: str, job: Job, block: Block) -> list[tuple[int, Any]] | None:
        """The answers to a block; None, and the file is gone, where it does not hold them."""
        path = self._folder / f"{name}.json"
        try:
            content = foreign_json.parse(path.read_bytes())
            answers = [_answer(fields) for fields in content["answers"]]
            numbered = list(zip(_order(block), answers, strict=True))
            machine = str(content["machine"])
        except (ValueError, TypeError, KeyError, AttributeError):
            path.unlink(missing_ok=True)
            return None
        except FileNotFoundError:
            return None
        if fault(job, block, Done(tuple(numbered), 0.0, 0)) is not None:
            path.unlink(missing_ok=True)
            return None
        return [(index, by_machine(answer, machine)) for index, answer in numbered]

    def write(self, name: str, block: Block, answers: Sequence[tuple[int, Any]]) -> None:
        """Publish answers, unless another machine was first."""
        by_index = dict(answers)
        fields = [_fields(by_index[index]) for index in _order(block)]
        content = json.dumps({"machine": self._machine, "answers": fields}, ensure_ascii=False)
        self._publish(content, self._folder / f"{name}.json")

    @contextmanager
    def leased(self, name: str) -> Iterator[bool]:
        """Whether this machine may evaluate a block, and only it, for as long as the `with` lasts."""
        lease = self._folder / f"{name}.lease"
        holder = f"{self._machine} {uuid.uuid4().hex}"
        if not (self._publish(holder, lease) or (self._take_over(lease) and self._publish(holder, lease))):
            yield False
            return
        ended = threading.Event()
        renewing = threading.Thread(target=_renew, args=(lease, ended), daemon=True)
        renewing.start()
        try:
            yield True
        finally:
            ended.set()
            renewing.join()
            with suppress(OSError):
                if lease.read_text(encoding="utf-8") == holder:  # it may be another's by now
                    lease.unlink()

    def _take_over(self, lease: Path) -> bool:
        """Put an old lease away. Of several machines that try, one succeeds. Ages are by the folder's own clock."""
        probe = self._temporary("")
        try:
            age = probe.stat().st_mtime - lease.stat().st_mtime
            if age < AGE:
                return False
            lease.replace(probe)
        except FileNotFoundError:
            return False
        finally:
            probe.unlink(missing_ok=True)
        return True

    def _publish(self, content: str, path: Path) -> bool:
        """Give a finished file its name, if no other has it."""
        temporary = self._temporary(content)
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if path.exists():
                return False
            try:
                temporary.rename(path)
            except FileExistsError:  # Windows replaces no file so: another machine was first
                return False
        finally:
            temporary.unlink(missing_ok=True)
        return True

    def _temporary(self, content: str) -> Path:
        path = self._folder / f".{uuid.uuid4().hex}"
        with path.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return path


def _renew(lease: Path, ended: threading.Event) -> None:
    while not ended.wait(AGE / 4):
        with suppress(OSError):
            lease.touch()


def _request_key(request: Reading[Any] | Writing) -> str:
    """What of a request decides an answer, as text."""
    if isinstance(request, Reading):
        return repr(sorted((text, str(outcome)) for text, outcome in request.continuations.items()))
    names = ("limit", "opening", "grammar", "start", "schema", "endings", "outcomes", "bridge")
    return repr([(name, getattr(request, name)) for name in names if hasattr(request, name)])


def _name(key: str, block: Block) -> str:
    """The name of a block's files: a hash of all that decides its answers."""
    place = {index: position for position, index in enumerate(_order(block))}
    prompts = [[place[block.places[q][0]] if block.places else place[q] for q in p.queries] for p in block.plans]
    content = repr([key, [tuple(plan_.sequences) for plan_ in block.plans], prompts])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _order(block: Block) -> list[int]:
    """The indices of a block's prompts in the order of its queries, which is the same on every machine."""
    queries = [query for plan_ in block.plans for query in plan_.queries]
    return list(dict.fromkeys(block.places[query][0] if block.places else query for query in queries))


def _fields(answer: Distribution[Any] | Written[Any] | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    if isinstance(answer, Written):
        return {"text": answer.text, "distribution": _fields(answer.distribution)}
    p = [[outcome, value] for outcome, value in answer.p.items()]
    return {"p": p, "mass": answer.mass, "respelled": answer.respelled, "unread": answer.unread}


def _answer(fields: Any) -> Any:
    """The inverse of `_fields`."""
    if fields is None:
        return None
    if "text" in fields:
        return Written(fields["text"], _answer(fields["distribution"]))
    p = dict(fields["p"])
    return Distribution(p, fields["mass"], fields["respelled"], fields["unread"])

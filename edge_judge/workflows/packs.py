"""A run as one small file, to be compared with on another machine.

Knows: runs' folders, packs' files, which pack no run made here could be compared with. Does not know: a pack's bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from edge_judge import benchmarks
from edge_judge.errors import RunError, UsageError, naming
from edge_judge.files import write_whole
from edge_judge.metrics.recorded import RecordedRun
from edge_judge.protocols import grammar as grammars
from edge_judge.protocols import prompts
from edge_judge.quantities import counted
from edge_judge.records import Benchmark, ProgressListener, Run
from edge_judge.runs import folder as run_folder
from edge_judge.runs import packs
from edge_judge.runs.packs import Pack
from edge_judge.version import __version__
from edge_judge.workflows.options import ImportSettings
from edge_judge.workflows.recorded import RunReader
from edge_judge.workflows.target import check_target


@dataclass(frozen=True, slots=True)
class ExportedPack:
    """A pack that was written. bytes: of the file."""

    path: Path
    verdicts: int
    bytes: int


def export_pack(path: Path | str, output: Path | str | None = None, data: Path | str | None = None) -> ExportedPack:
    """Write the pack of a complete run: verdicts, probabilities and settings, without any text.

    path: the run's folder; output: the file, None for BENCHMARK-MODEL-SCHEME-GRAMMAR.ejpack.
    """
    path = Path(path)
    check_target(Path(output) if output else None, "use another name with --output")
    recorded = RunReader(data).read(path)
    run, benchmark = recorded.run, recorded.benchmark
    if benchmark.name not in benchmarks.REGISTRY:  # the path of a user's own file stays private
        run = replace(run, settings={**run.settings, "benchmark_source": Path(benchmark.source).name})
    with _naming(path):
        content = packs.write(benchmark, run)
    target = Path(output or "-".join(asdict(run.identity).values()) + packs.ENDING)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, content)
    return ExportedPack(target, len(run.verdicts), len(content))


def import_pack(
    file: Path | str, settings: ImportSettings = ImportSettings(), listener: ProgressListener = ProgressListener()
) -> Path:
    """Make a run's folder of a pack; the run is then one like any other.

    Raises RunError where no run that is made here could be compared with it.
    """
    file = Path(file)
    pack = read_pack(file)
    benchmark = _benchmark(file, pack, settings)
    with _naming(file):
        _refuse_other_conditions(pack)
        run = packs.unpack(pack, benchmark)
    run = replace(run, settings={**run.settings, "benchmark_source": benchmark.source})
    score = run_folder.score_json(RecordedRun(run, benchmark).score)
    origin = {"pack_sha256": pack.sha256, "edge_judge": __version__}
    path = run_folder.put_run(settings.results, run, score, ("imported", origin), fresh=settings.fresh)
    listener.note(f"{counted(len(run.verdicts), 'verdict')} on {counted(pack.judged, 'pair')}")
    for remark in _other_versions(pack):
        listener.note(remark)
    return path


def read_pack(file: Path | str) -> Pack:
    """The pack in a file. Raises RunError, naming the file, for one that is none or not whole."""
    with _naming(file), naming(Path(file)), Path(file).open("rb") as content:
        return packs.read(content.read(packs.MOST_BYTES + 1))


def run_of_pack(file: Path, benchmark: Benchmark) -> Run:
    """The run in a pack. Raises RunError, naming the file, also where it judged another benchmark."""
    pack = read_pack(file)
    with _naming(file):
        return packs.unpack(pack, benchmark)


@contextmanager
def _naming(path: Path | str) -> Iterator[None]:
    """What is wrong with a pack names its file, which the functions on its bytes do not know."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{path}: {error}", error.hint) from error


def _benchmark(file: Path, pack: Pack, settings: ImportSettings) -> Benchmark:
    """The benchmark that a pack judged: a known one by its name, any other from the file that is named."""
    name, own = pack.identity.benchmark, settings.benchmark
    if name in benchmarks.REGISTRY:
        if own is not None:
            raise UsageError(
                f"--benchmark is for a file of your own; {file} is a run on {name}", "leave --benchmark out"
            )
        return benchmarks.load(name, settings.data)
    if own is None:
        raise RunError(
            f"{file}: a run on {name!r}, which is not a known benchmark", "give its file with --benchmark FILE"
        )
    return benchmarks.load(own)


def _refuse_other_conditions(pack: Pack) -> None:
    """Raises RunError for a prompt or grammar that no run made here could have.

    A prompt that came with its model is known only once that model is here: `compare` refuses another one.
    """
    name = pack.identity.grammar
    hint = f"it was made with edge-judge {pack.settings.get('edge_judge')!r}, this is {__version__}"
    if name not in grammars.names():
        raise RunError(f"it was judged with --grammar {name!r}, which this version does not have", hint)
    grammar = grammars.load(name)
    here = {"grammar_sha256": grammar.sha256}
    if not grammar.trained_in:
        here["prompt_sha256"] = prompts.sha256(prompts.source(grammar.prompt))
    for setting, value in here.items():
        if pack.settings[setting] != value:
            raise RunError(
                f"it cannot be compared with runs made here: {setting} is {pack.settings[setting]!r}, here {value!r}",
                hint,
            )


def _other_versions(pack: Pack) -> Iterator[str]:
    for name, here in (("edge_judge", __version__), ("llama_cpp", version("llama-cpp-python"))):
        if pack.settings.get(name) != here and not (name == "llama_cpp" and "endpoint_model" in pack.settings):
            made_with = f"{name} {pack.settings.get(name)!r}"
            yield f"made with {made_with}, here is {here}: compare refuses runs of different versions"

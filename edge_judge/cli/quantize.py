"""edge-judge quantize: a checkpoint becomes a verified GGUF file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import files, options, terminal
from edge_judge.errors import UsageError

if TYPE_CHECKING:
    from quantize.lock import BuiltFile

OUT = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=options.example(
        "edge-judge quantize pocket q4_k_m",
        "edge-judge quantize qwen1.5-14b q4_k_m",
        "edge-judge quantize ./my-checkpoint q6_k --out my-judge.gguf",
        "edge-judge quantize some/repo-GGUF --gguf-file judge-q4_k_m.gguf",
    )
)
@click.argument("model")
@click.argument("scheme", required=False)
@click.option("--out", type=OUT, help="Write the GGUF here instead of the models folder.")
@click.option("--imatrix", type=options.FILE, help="Weigh the rounding with this importance matrix (GGUF).")
@click.option("--keep-source", is_flag=True, help="Keep the downloaded weights in the Hub's cache.")
@click.option("--gguf-file", metavar="NAME", help="Take this ready-made GGUF of a Hub repository instead of building.")
def quantize(
    model: str, scheme: str | None, out: Path | None, imatrix: Path | None, keep_source: bool, gguf_file: str | None
) -> None:
    """Make a GGUF file of MODEL in SCHEME, in one pass, and verify it.

    MODEL is a name in models.lock, the folder of a Hugging Face checkpoint, or a repository on the Hub.
    Prints the file's path.
    """
    if out is not None and out.exists() and not out.is_file():  # a rename would put the file in a device's place
        raise UsageError(f"{out}: no ordinary file, so it will not be replaced", "--out takes the name of a file")
    how = files.Options(out=out, imatrix=imatrix, keep_source=keep_source)
    if gguf_file is not None:
        built = files.take_ready(model, gguf_file, how)
    elif scheme is None:
        raise UsageError("no scheme is named", f"say for example: edge-judge quantize {model} q4_k_m")
    else:
        built = _build(model, scheme, how)
    terminal.note(f"{built.model} {built.scheme}: {terminal.size(built.bytes)}, sha256 {built.sha256[:16]}…, verified")
    click.echo(out or files.models_folder() / built.file)


def _build(model: str, scheme: str, how: files.Options) -> BuiltFile:
    from quantize import schemes

    wanted = schemes.canonical(scheme)
    with terminal.building(f"{model} {wanted}") as show:
        return _built(model, wanted, replace(how, progress=show))


def _built(model: str, scheme: str, how: files.Options) -> BuiltFile:
    from quantize import lock, remote
    from quantize.source import Hub

    if Path(model).is_dir():
        return files.build_folder(Path(model), Path(model).resolve().name, scheme, how)
    known = {one.name: one for one in lock.read().models}
    if model.count("/") == 1 and model not in known:
        return files.build_published(remote.describe(Hub(), model), scheme, how)
    found = lock.read().model(model)
    if found.local is not None:
        return files.build_folder(files.SHIPPED[found.local], model, scheme, replace(how, license=found.license))
    return files.build_published(found, scheme, how)

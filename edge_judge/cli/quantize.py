"""edge-judge quantize: a checkpoint becomes a verified GGUF file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_judge.cli import files, options, talk

if TYPE_CHECKING:
    from quantize.lock import BuiltFile

OUT = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog=options.example(
        "edge-judge quantize pocket q4_k_m",
        "edge-judge quantize qwen1.5-14b q4_k_m",
        "edge-judge quantize ./my-checkpoint q6_k --out my-judge.gguf",
    )
)
@click.argument("model")
@click.argument("scheme")
@click.option("--out", type=OUT, help="Write the GGUF here instead of the models folder.")
@click.option("--imatrix", type=options.FILE, help="Weigh the rounding with this importance matrix (GGUF).")
@click.option("--keep-source", is_flag=True, help="Keep the downloaded weights in the Hub's cache.")
def quantize(model: str, scheme: str, out: Path | None, imatrix: Path | None, keep_source: bool) -> None:
    """Make a GGUF file of MODEL in SCHEME, in one pass, and verify it.

    MODEL is a name in models.lock, the folder of a Hugging Face checkpoint, or a repository on the Hub.
    Prints the file's path.
    """
    from quantize import schemes

    wanted = schemes.canonical(scheme)
    with talk.building(f"{model} {wanted}") as show:
        how = files.Options(out=out, imatrix=imatrix, keep_source=keep_source, progress=show)
        built = _build(model, wanted, how)
    talk.note(f"{built.model} {built.scheme}: {talk.size(built.bytes)}, sha256 {built.sha256[:16]}…, verified")
    click.echo(out or files.models_folder() / built.file)


def _build(model: str, scheme: str, how: files.Options) -> BuiltFile:
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

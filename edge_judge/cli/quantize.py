"""edge-judge quantize: a checkpoint becomes a verified GGUF file."""

from __future__ import annotations

from pathlib import Path

import click

from edge_judge.cli import files, options, talk
from edge_judge.errors import EdgeJudgeError


@click.command(
    epilog=options.example(
        "edge-judge quantize pocket q4_k_m",
        "edge-judge quantize ./my-checkpoint q6_k --out my-judge.gguf",
    )
)
@click.argument("model")
@click.argument("scheme")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the GGUF here instead of the models folder.",
)
def quantize(model: str, scheme: str, out: Path | None) -> None:
    """Make a GGUF file of MODEL in SCHEME, in one pass, and verify it.

    MODEL is a name in models.lock or the folder of a Hugging Face checkpoint. Prints the file's path.
    """
    from quantize import lock, schemes

    wanted = schemes.canonical(scheme)
    if Path(model).is_dir():
        folder, name, license = Path(model), Path(model).resolve().name, None
    else:
        known = lock.read().model(model)
        if known.local is None:
            raise EdgeJudgeError(
                f"{model} {wanted}: its weights ({known.repo}, commit {str(known.commit)[:12]}) are not on this machine, "
                "and this version cannot download them",
                f"put the checkpoint into a folder and run: edge-judge quantize FOLDER {wanted}",
            )
        folder, name, license = files.SHIPPED[known.local], known.name, known.license
    built = files.build(folder, name, wanted, license, out)
    path = out or files.models_folder() / built.file
    talk.note(f"{name} {built.scheme}: {talk.size(built.bytes)}, sha256 {built.sha256[:16]}…, verified")
    click.echo(path)

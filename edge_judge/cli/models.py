"""edge-judge models: what is known, how large it would be, whether it fits here, and what is built."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from edge_judge.cli import files, options, terminal

if TYPE_CHECKING:
    from quantize.config import Config
    from quantize.lock import LockedModel

SHOWN = ("f16", "q8_0", "q4_k_m", "q2_k")
SPARE = 1.5e9  # bytes beside the weights: cache, buffers, Python, and something for everyone else


@dataclass(frozen=True, slots=True)
class Entry:
    """One known model. bytes: of the tensors of each scheme; fits: the widest scheme this machine's memory holds."""

    name: str
    parameters: int
    license: str
    repo: str | None
    bytes: dict[str, int]
    fits: str | None
    built: list[str]


@click.command(epilog=options.example("edge-judge models", "edge-judge models --json"))
@options.as_json
def models(as_json: bool) -> None:
    """List the known models: parameters, size by scheme, what fits here, what is built."""
    import psutil

    from quantize import lock

    memory = psutil.virtual_memory().total
    entries = [entry(model, memory) for model in lock.read().models]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in entries], indent=2))
        return
    from edge_judge.report.formatting import notes, render, size, table

    rows = [
        [
            one.name,
            _count(one.parameters),
            *(size(one.bytes[name]) for name in SHOWN),
            one.fits or "none",
            " ".join(one.built) or "-",
        ]
        for one in entries
    ]
    lines = table("Known models", ["model", "params", *SHOWN, "fits", "built"], rows)
    note = notes(
        f"fits: the widest of these that leaves {terminal.size(SPARE)} "
        f"of this machine's {terminal.size(memory)} of memory"
    )
    click.echo(render([lines, note], terminal.width(), terminal.color()), nl=False)


def entry(model: LockedModel, memory: int) -> Entry:
    """A model with its sizes, from its shape alone."""
    from quantize import architectures, lock, schemes

    blueprint = architectures.blueprint(settings(model))
    sizes = {scheme: schemes.file_bytes(blueprint, scheme) for scheme in SHOWN}
    fits = next((scheme for scheme in SHOWN if sizes[scheme] + SPARE <= memory), None)
    built = [record.scheme for record in lock.read_built(files.models_folder()).built if record.model == model.name]
    parameters = model.parameters or blueprint.parameters
    return Entry(model.name, parameters, model.license, model.repo, sizes, fits, sorted(built))


def settings(model: LockedModel) -> Config:
    """What decides a model's shape, from models.lock or from the checkpoint that ships."""
    from quantize import config

    if model.local is not None:
        return config.read(files.SHIPPED[model.local])
    return config.Config({**model.config, "architectures": [model.model_class]}, f"models.lock: {model.name}")


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:.1f} M"

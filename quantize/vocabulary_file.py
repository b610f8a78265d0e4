"""A GGUF file with a model's vocabulary and hyperparameters and no tensors: what prompts need, without the weights.

llama.cpp loads it where it is asked for the vocabulary alone. Knows: sources of checkpoints, the container. Does not
know: what the tokens are used for.
"""

from __future__ import annotations

from pathlib import Path

from quantize import architectures, container
from quantize.architectures.blueprint import Field
from quantize.atomic import written_atomically
from quantize.source import Source
from quantize.vocab import read_vocabulary


def write(source: Source, folder: Path, out: Path) -> Path:
    """Write `out`. folder: where a source from a hub puts its small files.

    The tokens, the chat template and the prompt that the model was trained with are those of the model's GGUF files.
    Raises ConfigError and VocabularyError where those could not be built either.
    """
    blueprint = architectures.blueprint(source.config(folder))
    vocabulary = read_vocabulary(source.small_files(folder), blueprint.vocabulary)
    prompt = source.provenance().prompt
    keys = (
        Field("general.name", "string", source.name),
        *([Field("edge_judge.prompt", "string", prompt)] if prompt else []),
        *blueprint.fields,
        *vocabulary.fields(),
    )
    with written_atomically(out) as temporary:
        container.write_header(temporary, blueprint.architecture, keys, ())
    return out

"""Ready-made GGUF files from a hub: pinned, hashed, and whole, or refused."""

import pytest
from checkpoints import llama_config, make_checkpoint, quantized
from hubserver import Shelf, serving

from quantize import ready
from quantize.errors import SourceError, VerifyError
from quantize.source import Hub

COMMIT = "c0ffee" + "0" * 34


@pytest.fixture
def desk(tmp_path):
    model = make_checkpoint(tmp_path / "model", llama_config(num_hidden_layers=1))
    (tmp_path / "published").mkdir()
    built = quantized(model, "q5_k_m", tmp_path / "published" / "tiny-q5.gguf")
    shelf = Shelf({("some/tiny-gguf", COMMIT): tmp_path / "published"})
    with serving(shelf) as url:
        yield Hub(url, cache=tmp_path / "cache"), built, tmp_path / "models" / "mine.gguf"


def test_a_published_gguf_is_taken_as_it_is_and_pinned(desk):
    hub, published, out = desk
    got, commit = ready.fetch(hub, "some/tiny-gguf", "tiny-q5.gguf", out)
    assert (got.sha256, got.bytes, got.scheme, commit) == (published.sha256, published.bytes, "q5_k_m", COMMIT)
    assert dict(got.tensors) == dict(published.tensors)
    assert [p.name for p in out.parent.iterdir()] == ["mine.gguf"]


def test_a_file_that_is_not_there_is_refused_with_those_that_are(desk):
    hub, _, out = desk
    with pytest.raises(SourceError, match=r"no file 'other\.gguf'") as caught:
        ready.fetch(hub, "some/tiny-gguf", "other.gguf", out)
    assert "tiny-q5.gguf" in caught.value.hint


def test_a_gguf_cut_short_is_refused_and_nothing_is_left(desk):
    hub, published, out = desk
    published.path.write_bytes(published.path.read_bytes()[:-50])
    with pytest.raises(VerifyError, match="its tensor table makes it"):
        ready.fetch(hub, "some/tiny-gguf", "tiny-q5.gguf", out)
    assert list(out.parent.iterdir()) == []

"""The latent cache: keys that tell everything apart, torn files never read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from trainer_sets import picture, write_set

from trainer.data.cache import LatentCache, key
from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Item, find, with_digests


@dataclass
class Counting:
    """A model that only encodes, and counts how often."""

    calls: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls += 1
        small = pixels[:, :, ::8, ::8]
        return small, small.abs() + 0.1


def items(root: Path) -> list[Item]:
    return list(with_digests(find(read(root / "dataset.toml", Fallback(1, 32)))).items)


@pytest.fixture
def model() -> Counting:
    return Counting()


@pytest.fixture
def cache(model: Counting, tmp_path: Path) -> LatentCache:
    write_set(tmp_path)
    return LatentCache(tmp_path / "latents", model, "vae")  # type: ignore[arg-type]


def test_encoded_once(cache: LatentCache, model: Counting, tmp_path: Path) -> None:
    item = items(tmp_path)[1]
    first, again = cache.latent(item, flip=False), cache.latent(item, flip=False)
    assert model.calls == 1
    assert torch.equal(first.mean, again.mean)
    assert torch.equal(first.deviation, again.deviation)


def test_a_flip_is_the_mirror_image(cache: LatentCache, tmp_path: Path) -> None:
    item = items(tmp_path)[1]
    straight, flipped = (cache._encode(item, flip=flip) for flip in (False, True))
    assert straight.mean.shape == flipped.mean.shape
    assert not torch.equal(straight.mean, flipped.mean)


@pytest.mark.parametrize("tear", ["short", "zeros", "changed", "empty"])
def test_a_torn_file_is_encoded_again(tear: str, cache: LatentCache, model: Counting, tmp_path: Path) -> None:
    item = items(tmp_path)[0]
    whole = cache.latent(item, flip=False)
    path = cache._path(item, flip=False)
    content = path.read_bytes()
    torn = {
        "short": content[: len(content) // 2],
        "zeros": content[:-64] + bytes(64),
        "changed": content[:-1] + bytes([content[-1] ^ 1]),
        "empty": b"",
    }
    path.write_bytes(torn[tear])
    assert torch.equal(cache.latent(item, flip=False).mean, whole.mean)
    assert model.calls == 2
    assert path.read_bytes() == content or len(path.read_bytes()) == len(content)


def test_keys_tell_everything_apart(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    before = items(tmp_path)
    keys = {key(item, "vae", flip=flip) for item in before for flip in (False, True)}
    keys |= {key(before[0], "other vae", flip=False)}
    path.write_text(path.read_text().replace("resolution = 32", "resolution = 48"))
    keys |= {key(item, "vae", flip=False) for item in items(tmp_path)}
    picture((64, 64), 99).save(tmp_path / "girl" / "00.png")
    keys.add(key(items(tmp_path)[0], "vae", flip=False))
    assert len(keys) == 10 + 1 + 5 + 1


def test_a_caption_does_not_matter(tmp_path: Path) -> None:
    write_set(tmp_path)
    before = key(items(tmp_path)[0], "vae", flip=False)
    (tmp_path / "girl" / "00.txt").write_text("other words")
    assert key(items(tmp_path)[0], "vae", flip=False) == before

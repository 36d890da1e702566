"""The latent cache: keys that tell everything apart, what varies never kept, masks beside, filled by sizes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from trainer_sets import picture, write_set

from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Item, find, with_digests
from trainer.data.latents import Latent, LatentCache, shrunk
from trainer.data.pixels import View, fixed_views, view_of
from trainer.errors import DatasetError

PLAIN = View()


@dataclass
class Counting:
    """A model that only encodes, and counts the pictures of each call."""

    vae: str = "vae"
    calls: list[int] = field(default_factory=list)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def vae_digest(self) -> str:
        return self.vae

    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.calls.append(len(pixels))
        small = pixels[:, :, ::8, ::8]
        return small, small.abs() + 0.1


def items(root: Path) -> list[Item]:
    return list(with_digests(find(read(root / "dataset.toml", Fallback(1, 32)))).items)


def cache_of(root: Path, model: Counting | None = None, notes: list[str] | None = None) -> LatentCache:
    note = (lambda text: None) if notes is None else notes.append
    return LatentCache(root / "cache", model or Counting(), stride_px=8, note=note)  # type: ignore[arg-type]


def fill(cache: LatentCache, todo: list[tuple[Item, View]], *, batch_size: int = 2, stop_after: int = 99) -> bool:
    left = iter(range(stop_after))
    return cache.fill(todo, batch_size=batch_size, stop=lambda: next(left, None) is None, tell=lambda num: None)


def equal(first: Latent, second: Latent) -> bool:
    pairs = ((first.mean, second.mean), (first.deviation, second.deviation), (first.mask, second.mask))
    return all(one is two or (one is not None and two is not None and torch.equal(one, two)) for one, two in pairs)


def test_encoded_once_by_sizes_and_read_by_the_next_run(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64), (96, 48), (64, 64), (64, 64), (96, 48)], subset="flip_aug = true")
    todo = [(item, view) for item in items(tmp_path) for view in fixed_views(item)]
    assert len(todo) == 10
    first, second = Counting(), Counting()
    told: list[int] = []
    cache = cache_of(tmp_path, first)
    assert cache.fill(todo, batch_size=4, stop=lambda: False, tell=told.append)
    assert sorted(first.calls) == [2, 4, 4]
    assert sum(told) == 10
    again = cache_of(tmp_path, second)
    assert fill(again, todo)
    for item, view in todo:
        assert again.has(item, view)
        assert equal(again.latent(item, view), cache_of(tmp_path / "other").latent(item, view))
    assert second.calls == []


def test_filling_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    write_set(tmp_path)
    todo = [(item, PLAIN) for item in items(tmp_path)]
    model = Counting()
    assert not fill(cache_of(tmp_path, model), todo, batch_size=1, stop_after=2)
    assert sum(model.calls) == 2
    assert fill(cache_of(tmp_path, model), todo, batch_size=1)
    assert sum(model.calls) == 5


def test_what_was_encoded_before_an_error_is_kept(tmp_path: Path) -> None:
    write_set(tmp_path)
    todo = [(item, PLAIN) for item in items(tmp_path)]
    todo[1][0].path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"01\.png"):
        fill(cache_of(tmp_path), todo)
    assert [cache_of(tmp_path).has(*look) for look in todo] == [True, False, True, True, True]


def test_a_flip_is_the_mirror_image(tmp_path: Path) -> None:
    write_set(tmp_path)
    item, cache = items(tmp_path)[1], cache_of(tmp_path)
    straight, flipped = (cache.latent(item, View(flip=flip)) for flip in (False, True))
    assert straight.mean.shape == flipped.mean.shape
    assert not torch.equal(straight.mean, flipped.mean)


def test_keys_tell_everything_apart(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    before = items(tmp_path)
    keys = {cache_of(tmp_path).key(item, View(flip=flip)) for item in before for flip in (False, True)}
    assert len(keys) == 10
    keys.add(cache_of(tmp_path, Counting("other vae")).key(before[0], PLAIN))
    keys.add(LatentCache(tmp_path, Counting(), stride_px=4).key(before[0], PLAIN))  # type: ignore[arg-type]
    keys.add(cache_of(tmp_path).key(before[1], View(crop_px=(1, 0))))
    keys.add(cache_of(tmp_path).key(replace(before[0], mask_path=path, mask_digest="1"), PLAIN))
    keys.add(cache_of(tmp_path).key(replace(before[0], mask_path=path, mask_digest="2"), PLAIN))
    keys.add(cache_of(tmp_path).key(replace(before[0], subset=replace(before[0].subset, alpha_mask=True)), PLAIN))
    keys.add(cache_of(tmp_path).key(replace(before[0], subset=replace(before[0].subset, interpolation="box")), PLAIN))
    assert len(keys) == 17
    path.write_text(path.read_text().replace("resolution = 32", "resolution = 48"))
    keys |= {cache_of(tmp_path).key(item, PLAIN) for item in items(tmp_path)}
    assert len(keys) == 22


def test_a_caption_does_not_matter(tmp_path: Path) -> None:
    write_set(tmp_path)
    before = cache_of(tmp_path).key(items(tmp_path)[0], PLAIN)
    (tmp_path / "girl" / "00.txt").write_text("other words")
    assert cache_of(tmp_path).key(items(tmp_path)[0], PLAIN) == before


def test_an_edited_picture_never_meets_a_stale_latent(tmp_path: Path) -> None:
    write_set(tmp_path)
    cache = cache_of(tmp_path)
    assert fill(cache, [(item, PLAIN) for item in items(tmp_path)])
    picture((64, 64), 99).save(tmp_path / "girl" / "00.png")
    edited = items(tmp_path)
    assert [cache.has(item, PLAIN) for item in edited] == [False, True, True, True, True]
    assert equal(cache.latent(edited[0], PLAIN), cache_of(tmp_path / "fresh").latent(edited[0], PLAIN))


def test_without_digests_there_is_no_key(tmp_path: Path) -> None:
    write_set(tmp_path)
    item = items(tmp_path)[0]
    for bare in (replace(item, digest=""), replace(item, mask_path=item.path)):
        with pytest.raises(ValueError, match="no digest"):
            cache_of(tmp_path).key(bare, PLAIN)


def test_what_varies_is_encoded_each_time_and_never_kept(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(96, 40), (40, 96)], subset="random_crop = true")
    model = Counting()
    cache = cache_of(tmp_path, model)
    varying = [item for item in items(tmp_path) if not fixed_views(item)]
    assert varying
    looks = [(item, view_of(item, run_seed=0, name="x", epoch=epoch)) for item in varying for epoch in range(3)]
    assert fill(cache, looks)
    assert model.calls == []
    for look in looks:
        cache.latent(*look)
        cache.latent(*look)
        assert not cache.has(*look)
    cache.close()
    assert len(model.calls) == 2 * len(looks)
    assert not (tmp_path / "cache").exists()


def test_a_mask_becomes_the_mean_of_each_latent_s_pixels(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(32, 32)], subset='conditioning_data_dir = "masks"')
    mask = np.random.default_rng(3).integers(0, 256, (32, 32)).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks" / "00.png")
    (masked,) = items(tmp_path)
    bare = replace(masked, mask_path=None, mask_digest="")
    expected = [
        [mask[y : y + 8, x : x + 8].astype(np.float64).mean() / 255 for x in range(0, 32, 8)] for y in range(0, 32, 8)
    ]
    cache = cache_of(tmp_path)
    assert fill(cache, [(masked, PLAIN), (bare, PLAIN)])
    for found in (cache.latent(masked, PLAIN), cache_of(tmp_path).latent(masked, PLAIN)):
        assert found.mask is not None
        np.testing.assert_allclose(found.mask.numpy(), expected, atol=1e-6)
        assert found.mask.shape == found.mean.shape[1:]
    assert cache.latent(bare, PLAIN).mask is None
    flipped = cache.latent(masked, View(flip=True)).mask
    assert flipped is not None
    np.testing.assert_allclose(flipped.numpy(), np.array(expected)[:, ::-1], atol=1e-6)


def test_shrunk_keeps_width_and_height_apart() -> None:
    mask = torch.zeros(16, 24)
    mask[8:, :4] = 1.0
    assert shrunk(mask, 8).tolist() == [[0.0, 0.0, 0.0], [0.5, 0.0, 0.0]]


@pytest.mark.parametrize("tear", ["short", "changed", "empty"])
def test_a_torn_shard_is_encoded_again(tear: str, tmp_path: Path) -> None:
    write_set(tmp_path)
    todo = [(item, PLAIN) for item in items(tmp_path)]
    assert fill(cache_of(tmp_path), todo)
    whole = [cache_of(tmp_path).latent(*look) for look in todo]
    (path,) = (tmp_path / "cache").iterdir()
    content = path.read_bytes()
    torn = {"short": content[:-100], "changed": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:], "empty": b""}
    path.write_bytes(torn[tear])
    model, notes = Counting(), list[str]()
    cache = cache_of(tmp_path, model, notes)
    assert fill(cache, todo)
    for look, before in zip(todo, whole, strict=True):
        assert equal(cache.latent(*look), before)
    cache.close()
    assert sum(model.calls) == (1 if tear == "changed" else 5)
    assert len(notes) == 1
    later = Counting()
    for look, before in zip(todo, whole, strict=True):
        assert equal(cache_of(tmp_path, later).latent(*look), before)
    assert later.calls == []


FILLER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/trainer")
from test_trainer_latents import PLAIN, cache_of, items
from trainer.data import shards
shards.MAX_SHARD_ENTRIES = 4
root = Path(sys.argv[1])
todo = [(item, PLAIN) for item in items(root)]
print("begun", flush=True)
cache_of(root).fill(todo, batch_size=2, stop=lambda: False, tell=lambda num: print(num, flush=True))
"""


def filler(root: Path) -> subprocess.Popen[str]:
    here = Path(__file__).parents[2]
    return subprocess.Popen([sys.executable, "-c", FILLER, str(root)], cwd=here, stdout=subprocess.PIPE, text=True)


def test_a_killed_filling_goes_on(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64)] * 60)
    with filler(tmp_path) as process:
        assert process.stdout is not None
        for _ in range(9):
            assert process.stdout.readline()
        process.kill()
    todo = [(item, PLAIN) for item in items(tmp_path)]
    model, notes = Counting(), list[str]()
    cache = cache_of(tmp_path, model, notes)
    assert fill(cache, todo)
    assert sum(model.calls) <= 60 - 12
    assert all(equal(cache.latent(*look), cache_of(tmp_path / "fresh").latent(*look)) for look in todo[::9])
    assert notes == []


def test_two_processes_fill_one_folder(tmp_path: Path) -> None:
    write_set(tmp_path, sizes=[(64, 64)] * 20)
    both = [filler(tmp_path), filler(tmp_path)]
    for process in both:
        process.communicate(timeout=120)
        assert process.returncode == 0
    model = Counting()
    cache = cache_of(tmp_path, model)
    for item in items(tmp_path):
        assert equal(cache.latent(item, PLAIN), cache_of(tmp_path / "fresh").latent(item, PLAIN))
    assert model.calls == []

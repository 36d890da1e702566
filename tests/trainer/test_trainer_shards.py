"""Shards: whole or not at all, spoilt entries never read, several writers at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.data import shards
from trainer.data.shards import ShardStore, digest_of

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
import torch
from trainer.data import shards
shards.MAX_SHARD_ENTRIES = 8
store = shards.ShardStore(Path(sys.argv[1]), "latents")
first, last = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, last):
    store.put(f"{number:064x}", {"mean": torch.full((4, 8, 8), float(number))})
    print(number, flush=True)
store.flush()
"""


def name(number: int) -> str:
    return f"{number:064x}"


def entry(number: int) -> shards.Tensors:
    return {"mean": torch.full((4, 8, 8), float(number)), "mask": torch.arange(64.0).reshape(8, 8) + number}


def filled(folder: Path, num: int = 6) -> Path:
    """A store of one shard; the shard."""
    store = ShardStore(folder, "latents")
    for number in range(num):
        store.put(name(number), entry(number))
    store.flush()
    (path,) = folder.glob("latents-*.safetensors")
    return path


def same(first: shards.Tensors | None, second: shards.Tensors) -> bool:
    return (
        first is not None
        and first.keys() == second.keys()
        and all(torch.equal(first[part], second[part]) for part in second)
    )  # fmt: skip


def test_what_was_put_is_there_before_and_after_it_is_written(tmp_path: Path) -> None:
    store = ShardStore(tmp_path / "new" / "cache", "latents")
    assert store.get(name(0)) is None
    store.put(name(0), entry(0))
    assert name(0) in store
    assert same(store.get(name(0)), entry(0))
    assert not list(tmp_path.rglob("*.safetensors"))
    store.flush()
    for other in (store, ShardStore(tmp_path / "new" / "cache", "latents")):
        assert same(other.get(name(0)), entry(0))
        assert len(other) == 1
    assert name(0) not in ShardStore(tmp_path / "new" / "cache", "texts")


def test_what_is_handed_out_is_a_copy(tmp_path: Path) -> None:
    filled(tmp_path)
    store = ShardStore(tmp_path, "latents")
    given_out = store.get(name(1))
    assert given_out is not None
    given_out["mean"].zero_()
    assert same(store.get(name(1)), entry(1))


@pytest.mark.parametrize("limit", ["MAX_SHARD_ENTRIES", "MAX_SHARD_BYTES"])
def test_a_shard_is_written_when_it_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(shards, limit, {"MAX_SHARD_ENTRIES": 3, "MAX_SHARD_BYTES": 3 * 1280}[limit])
    store = ShardStore(tmp_path, "latents")
    for number in range(8):
        store.put(name(number), entry(number))
    assert len(list(tmp_path.iterdir())) == 2
    store.flush()
    assert len(list(tmp_path.iterdir())) == 3
    assert all(same(ShardStore(tmp_path, "latents").get(name(number)), entry(number)) for number in range(8))


@given(
    shape=st.lists(st.integers(0, 3), max_size=3),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16, torch.int64]),
)
def test_a_digest_tells_types_shapes_and_names_apart(shape: list[int], dtype: torch.dtype) -> None:
    tensor = torch.zeros(shape, dtype=dtype)
    others = [{"b": tensor}, {"a": tensor[None]}, {"a": tensor.bool()}, {"a": tensor, "b": tensor}, {}]
    digests = {digest_of({"a": tensor.clone()}), *map(digest_of, others)}
    assert len(digests) == 6
    assert digest_of({"a": tensor}) in digests


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """A bit of the last tensor; the tensors of a shard are sorted by name, so it is the last entry's."""
    return content[:-8] + bytes([content[-8] ^ 16]) + content[-7:]


SPOILT: dict[str, tuple[Callable[[bytes], bytes], set[int]]] = {
    "cut in half": (cut, set()),
    "cut in its header": (lambda content: content[:100], set()),
    "cut in its length": (lambda content: content[:5], set()),
    "empty": (lambda content: b"", set()),
    "zeros": (lambda content: bytes(len(content)), set()),
    "endless header": (lambda content: b"\xff" * 8 + content[8:], set()),
    "no header of ours": (lambda content: b"\x02\0\0\0\0\0\0\0{}" + content, set()),
    "one bit": (flipped, {0, 1, 2, 3, 4}),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_entries_are_not_read_and_told_once(tmp_path: Path, kind: str) -> None:
    path = filled(tmp_path)
    spoil, left = SPOILT[kind]
    path.write_bytes(spoil(path.read_bytes()))
    notes: list[str] = []
    store = ShardStore(tmp_path, "latents", notes.append)
    for _ in range(2):
        assert {number for number in range(6) if same(store.get(name(number)), entry(number))} == left
        store.refresh()
    assert len(notes) == 1
    assert str(path) in notes[0]
    for number in set(range(6)) - left:
        assert name(number) not in store
        store.put(name(number), entry(number))
    store.flush()
    again = ShardStore(tmp_path, "latents", notes.append)
    assert all(same(again.get(name(number)), entry(number)) for number in range(6)), "the newer one is read"


def test_a_spoilt_entry_is_read_from_an_older_shard(tmp_path: Path) -> None:
    old = filled(tmp_path)
    store = ShardStore(tmp_path, "latents")
    store.put(name(5), entry(5))
    store.flush()
    (new,) = set(tmp_path.iterdir()) - {old}
    new.write_bytes(flipped(new.read_bytes()))
    notes: list[str] = []
    assert same(ShardStore(tmp_path, "latents", notes.append).get(name(5)), entry(5))
    assert len(notes) == 1


@pytest.mark.parametrize("position", [40, 300, 900])
def test_any_flipped_bit_of_the_header_does_no_harm(tmp_path: Path, position: int) -> None:
    path = filled(tmp_path)
    whole = path.read_bytes()
    for bit in range(8):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ (1 << bit)]) + whole[position + 1 :])
        store = ShardStore(tmp_path, "latents")
        for number in range(6):
            found = store.get(name(number))
            assert found is None or same(found, entry(number))


def test_what_a_killed_process_left_goes_with_the_next_writing_once_it_is_old(tmp_path: Path) -> None:
    names = (".latents-x.safetensors.abcdefgh", ".latents-x.safetensors.abcdefgi", ".texts-x.safetensors.abcdefgh")
    old, young, others = (tmp_path / word for word in names)
    for path in (old, young, others):
        path.write_bytes(b"half")
    long_ago = time.time() - 7200
    for path in (old, others):
        os.utime(path, (long_ago, long_ago))
    store = ShardStore(tmp_path, "latents")
    assert old.exists(), "reading removes nothing"
    store.put(name(1), entry(1))
    store.flush()
    assert not old.exists()
    assert young.exists(), "another process may be writing it"
    assert others.exists(), "not of this store"
    assert same(store.get(name(1)), entry(1))


def test_a_shard_that_another_process_removed_is_no_error(tmp_path: Path) -> None:
    path = filled(tmp_path)
    notes: list[str] = []
    store = ShardStore(tmp_path, "latents", notes.append)
    path.unlink()
    assert store.get(name(0)) is None
    assert notes == []


def writer(folder: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(last)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_one_shard_at_most(tmp_path: Path) -> None:
    with writer(tmp_path, 0, 10**6) as process:
        assert process.stdout is not None
        seen = 0
        while seen < 200:
            seen = int(process.stdout.readline())
        process.kill()
        seen = max([seen, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    notes: list[str] = []
    store = ShardStore(tmp_path, "latents", notes.append)
    whole = [number for number in range(seen + 8) if store.get(name(number)) is not None]
    assert whole == list(range(len(whole)))
    assert len(whole) >= seen + 1 - 8
    assert notes == []


def test_two_writers_in_one_folder(tmp_path: Path) -> None:
    both = [writer(tmp_path, 0, 200), writer(tmp_path, 100, 300)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    for process in both:
        assert process.stdout is not None
        process.stdout.close()
    notes: list[str] = []
    store = ShardStore(tmp_path, "latents", notes.append)
    assert len(store) == 300
    for number in range(300):
        found = store.get(name(number))
        assert found is not None
        assert torch.equal(found["mean"], torch.full((4, 8, 8), float(number)))
    assert notes == []


def test_what_another_process_wrote_is_noticed(tmp_path: Path) -> None:
    store = ShardStore(tmp_path, "latents")
    filled(tmp_path)
    assert name(0) not in store
    store.refresh()
    assert same(store.get(name(0)), entry(0))

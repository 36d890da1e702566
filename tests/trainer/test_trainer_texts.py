"""The cache of text states: each prompt its own, only what is known beforehand on disk, drawn captions never stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from trainer.data.captions import DrawKey, draw
from trainer.data.subsets import CaptionRule
from trainer.data.texts import TextCache


@dataclass
class Reader:
    """A model that only reads prompts, and remembers which; states that tell every prompt apart, of its length."""

    text: str = "encoders"
    read: list[str] = field(default_factory=list)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    token_embeddings: dict[str, str] = field(default_factory=dict)
    weight: torch.Tensor = field(default_factory=lambda: torch.ones((), requires_grad=True))

    def text_digest(self) -> str:
        return self.text

    def encode_text(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        self.read += prompts
        return [states(prompt, self.weight) for prompt in prompts]


def states(prompt: str, weight: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    codes = torch.tensor([float(ord(letter)) for letter in f"<{prompt}>"])[:, None].repeat(1, 4)
    scale = torch.ones(()) if weight is None else weight
    return {"context": codes * scale, "pooled": codes.mean(0).to(torch.bfloat16)}


def cache_of(folder: Path | None, reader: Reader, *, memory_bytes: int = 2**20) -> TextCache:
    return TextCache(folder, reader, memory_bytes=memory_bytes)  # type: ignore[arg-type]


def right(cache: TextCache, prompts: Sequence[str]) -> bool:
    found = cache.texts(prompts)
    return len(found) == len(prompts) and all(
        one.keys() == {"context", "pooled"} and all(torch.equal(one[name], tensor) for name, tensor in wanted.items())
        for one, wanted in zip(found, map(states, prompts), strict=True)
    )


def fill(cache: TextCache, prompts: Sequence[str], *, stop_after: int = 99) -> bool:
    left = iter(range(stop_after))
    return cache.fill(prompts, stop=lambda: next(left, None) is None, tell=lambda num: None)


def test_each_prompt_is_read_once_and_given_in_order_without_gradient(tmp_path: Path) -> None:
    reader = Reader()
    cache = cache_of(None, reader)
    assert right(cache, ["b", "a", "b", "", "long hair, 少女"])
    assert right(cache, ["a", "b"])
    assert reader.read == ["b", "a", "", "long hair, 少女"]
    assert not any(tensor.requires_grad for one in cache.texts(["a"]) for tensor in one.values())


def test_what_is_known_is_read_from_disk_by_the_next_run(tmp_path: Path) -> None:
    prompts = [f"prompt {number}" for number in range(40)]
    told: list[int] = []
    assert cache_of(tmp_path, Reader()).fill([*prompts, prompts[0]], stop=lambda: False, tell=told.append)
    assert sum(told) == 40
    reader = Reader()
    again = cache_of(tmp_path, reader)
    assert fill(again, prompts)
    assert all(map(again.has, prompts))
    assert right(again, prompts)
    assert reader.read == []


def test_filling_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    prompts = [str(number) for number in range(50)]
    first, second = Reader(), Reader()
    assert not fill(cache_of(tmp_path, first), prompts, stop_after=1)
    assert 0 < len(first.read) < 50
    assert fill(cache_of(tmp_path, second), prompts)
    assert sorted(first.read + second.read) == sorted(prompts)


def test_other_encoders_or_another_prompt_have_another_key(tmp_path: Path) -> None:
    cache = cache_of(tmp_path, Reader())
    assert fill(cache, ["a"])
    other = Reader("other encoders")
    assert not cache_of(tmp_path, other).has("a")
    assert right(cache_of(tmp_path, other), ["a"])
    assert other.read == ["a"]
    assert len({cache.key(prompt) for prompt in ("a", "a ", "A", "")}) == 4


def test_drawn_captions_are_never_stale_and_never_on_disk(tmp_path: Path) -> None:
    rule = CaptionRule(shuffle_caption=True, caption_dropout_rate=0.1, caption_tag_dropout_rate=0.1)
    reader = Reader()
    cache = cache_of(tmp_path, reader)
    drawn = [draw(["a, b, c, d, e, f"], rule, key=DrawKey(0, "x", epoch)) for epoch in range(50)]
    assert "" in drawn
    assert right(cache, drawn)
    assert all(right(cache, [prompt]) for prompt in drawn)
    assert len(reader.read) == len(set(drawn)) > 30
    assert list(tmp_path.iterdir()) == []


def test_memory_holds_what_was_used_last(tmp_path: Path) -> None:
    size = sum(tensor.nbytes for tensor in states("a").values())
    reader = Reader()
    cache = cache_of(None, reader, memory_bytes=3 * size)
    for prompt in "abcad":
        cache.texts([prompt])
    assert reader.read == list("abcd"), "a was used again, so b makes room for d"
    cache.texts(["a", "c", "d"])
    assert reader.read == list("abcd")
    assert right(cache, list("abcdefgh")), "more than fit, at once"
    assert right(cache_of(None, Reader(), memory_bytes=0), ["a", "a"])


@pytest.mark.parametrize("memory_bytes", [0, 2**20])
def test_a_spoilt_file_is_read_anew(tmp_path: Path, memory_bytes: int) -> None:
    assert fill(cache_of(tmp_path, Reader()), ["a", "b"])
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3] + b"???")
    reader, notes = Reader(), list[str]()
    cache = TextCache(tmp_path, reader, notes.append, memory_bytes)  # type: ignore[arg-type]
    assert right(cache, ["a", "b"])
    assert len(reader.read) == 1
    assert len(notes) == 1
    assert fill(cache, ["a", "b"])
    later = Reader()
    assert right(cache_of(tmp_path, later), ["a", "b"])
    assert later.read == []


def test_without_a_folder_nothing_is_filled() -> None:
    reader = Reader()
    cache = cache_of(None, reader)
    assert fill(cache, ["a"])
    assert reader.read == []
    assert not cache.has("a")


def test_what_an_empty_prompt_says_is_asked_once() -> None:
    reader = Reader()
    cache = cache_of(None, reader)
    assert all(torch.equal(cache.empty()[name], tensor) for name, tensor in states("").items())
    cache.empty()
    assert reader.read == [""]

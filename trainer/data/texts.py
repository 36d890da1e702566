"""What the text encoders say of prompts: in memory, then on disk, else encoded.

A key is the hash of the prompt, the text encoders' digest and the version of this code. Only prompts that are known
beforehand are put on disk, by `fill`; those that are drawn, of which there are as many as draws, stay in memory for
as long as there is room, each under its own words, so that no shuffled caption meets the states of another.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from trainer.contracts.model import Condition, Model
from trainer.data.shards import Note, ShardStore, Tensors
from trainer.memory.placing import text_parts, using

CODE_VERSION = 1
"""Raised with every change that makes other states of the same prompt."""
_FILL_BATCH = 16


@dataclass
class _Memory:
    """The entries used last, as many as fit."""

    limit_bytes: int
    held: OrderedDict[str, Tensors] = field(default_factory=OrderedDict)
    num_bytes: int = 0

    def get(self, prompt: str) -> Tensors | None:
        if prompt in self.held:
            self.held.move_to_end(prompt)
        return self.held.get(prompt)

    def put(self, prompt: str, tensors: Tensors) -> None:
        self.num_bytes += _bytes_of(tensors) - _bytes_of(self.held.pop(prompt, {}))
        self.held[prompt] = tensors
        while self.num_bytes > self.limit_bytes:
            _, oldest = self.held.popitem(last=False)
            self.num_bytes -= _bytes_of(oldest)


@dataclass
class TextCache:
    """Text states of one model, whose text encoders stay as they are: not for a run that trains them."""

    folder: Path | None
    """None: nothing is kept on disk."""
    model: Model
    note: Note = lambda text: None
    """Told a sentence of each spoilt file."""
    memory_bytes: int = 512 * 2**20
    _memory: _Memory = field(init=False)
    _text_digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Names the text encoders as they are now."""
        self._memory = _Memory(self.memory_bytes)
        self._text_digest = self.model.text_digest() if self.folder is not None else ""

    @cached_property
    def store(self) -> ShardStore | None:
        """Where they lie; its index is read when first asked for."""
        return None if self.folder is None else ShardStore(self.folder, "texts", self.note)

    def key(self, prompt: str) -> str:
        """Names this prompt's states; 64 hex digits."""
        return hashlib.sha256(repr((CODE_VERSION, self._text_digest, prompt)).encode()).hexdigest()

    def has(self, prompt: str) -> bool:
        """Whether it lies on disk, as far as the index knows."""
        return self.store is not None and self.key(prompt) in self.store

    def texts(self, prompts: Sequence[str]) -> list[Condition]:
        """As Model.encode_text, on the model's device, without gradient; not to be changed in place. Writes nothing."""
        found = {prompt: self._found(prompt) for prompt in dict.fromkeys(prompts)}
        missing = [prompt for prompt, tensors in found.items() if tensors is None]
        if missing:
            found |= self._encoded(missing)
        return [_on(found[prompt] or {}, self.model.device) for prompt in prompts]

    def empty(self) -> Condition:
        """As `texts` of an empty prompt, which shorter texts of a batch are filled up with."""
        return self.texts([""])[0]

    def fill(self, prompts: Sequence[str], *, stop: Callable[[], bool], tell: Callable[[int], None]) -> bool:
        """Puts these prompts' states on disk; whether all are there. Does nothing without a folder.

        Ends early when `stop()`, with what was done on disk; `tell` gets the number of prompts after each batch.
        Raises WriteError.
        """
        store = self.store
        if store is None:
            return True
        store.refresh()
        missing = [prompt for prompt in dict.fromkeys(prompts) if self.key(prompt) not in store]
        try:
            with using(self.model, text_parts(self.model) if missing else ()):
                for start in range(0, len(missing), _FILL_BATCH):
                    if stop():
                        return False
                    batch = missing[start : start + _FILL_BATCH]
                    for prompt, tensors in self._encoded(batch).items():
                        store.put(self.key(prompt), tensors)
                    tell(len(batch))
        finally:
            store.flush()
        return True

    def _found(self, prompt: str) -> Tensors | None:
        held = self._memory.get(prompt)
        if held is None and self.store is not None:
            held = self.store.get(self.key(prompt))
            if held is not None:
                self._memory.put(prompt, held)
        return held

    def _encoded(self, prompts: Sequence[str]) -> dict[str, Tensors]:
        with torch.no_grad(), using(self.model, text_parts(self.model)):
            made = self.model.encode_text(prompts)
        found = {}
        for prompt, condition in zip(prompts, made, strict=True):
            found[prompt] = {name: tensor.detach().cpu().clone() for name, tensor in condition.items()}
            self._memory.put(prompt, found[prompt])
        return found


def _on(tensors: Tensors, device: torch.device) -> Condition:
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def _bytes_of(tensors: Tensors) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())

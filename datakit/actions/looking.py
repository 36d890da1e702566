"""Looks at images wherever they lie, remembered by content under the names that the stages use."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from datakit.images.looks import answer
from datakit.model.stage import Look
from datakit.repo.transitions.inspecting import REMEMBER_EVERY_S, Remembered
from datakit.store.memo import Memo
from datakit.store.parallel import spread

ABSENT = {"unreadable": "its content is not here, or may not be read"}
Read = Callable[[], bytes | None]
"""A file's bytes; None where they are not here."""


def look_at(
    memo: Memo, contents: Mapping[str, Read], looks: Sequence[Look], tell: Callable[[int, int], None]
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Content's sha256 → look's name → what it found; what nobody remembers is looked at, on all cores.

    `tell` gets (done so far, total). Content that is not here is unreadable, and that is not remembered.
    """
    names = {f"{look.key}:{sha}": (sha, look) for sha in contents for look in looks}
    decoder = msgspec.msgpack.Decoder(Remembered)
    found: dict[str, dict[str, Mapping[str, Any]]] = {sha: {} for sha in contents}
    for name, value in memo.get(names).items():
        sha, look = names[name]
        found[sha][look.name] = decoder.decode(value).facts
    missing = [sha for sha, known in found.items() if len(known) < len(looks)]

    def work(sha: str) -> tuple[str, list[dict[str, Any]] | None]:
        data = contents[sha]()
        return sha, None if data is None else [product.facts for product in answer(data, looks)]

    fresh: list[tuple[str, bytes]] = []
    written = time.monotonic()
    try:
        for number, (sha, answers) in enumerate(spread(work, missing), 1):
            for look, facts in zip(looks, answers or [ABSENT] * len(looks), strict=True):
                found[sha][look.name] = facts
                if answers is not None:
                    fresh.append((f"{look.key}:{sha}", msgspec.msgpack.encode(Remembered(dict(facts), None))))
            tell(number, len(missing))
            if time.monotonic() - written > REMEMBER_EVERY_S:
                memo.put(fresh)
                fresh, written = [], time.monotonic()
    finally:
        memo.put(fresh)
    return found

"""Images from one repository's git-lfs store to another's, where both are folders of this computer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from datakit.errors import InputError
from datakit.model.item import ImageRef
from datakit.store.lfs import LfsStore
from datakit.store.parallel import spread


class Transferred(msgspec.Struct, frozen=True, kw_only=True):
    """What came across."""

    num_images: int = 0
    num_bytes: int = 0
    missing: tuple[ImageRef, ...] = ()
    """Images that the other side does not have either."""
    damaged: tuple[ImageRef, ...] = ()
    """Images whose bytes over there are not what their name says: none of them was taken."""


def copy_images(
    source: LfsStore,
    target: LfsStore,
    refs: Iterable[ImageRef],
    tell: Callable[[int, int], None] = lambda number, total: None,
) -> Transferred:
    """Copy those of `refs` that `target` lacks; each is hashed on the way, and appears whole or not at all."""
    wanted = [ref for ref in dict.fromkeys(refs) if ref.size_bytes and not target.has(ref)]
    missing = [ref for ref in wanted if not source.has(ref)]
    there = [ref for ref in wanted if source.has(ref)]

    def copy(ref: ImageRef) -> bool:
        try:
            return target.replace(ref, source.path(ref.sha256))
        except InputError:  # gone or unreadable since it was looked for
            return False

    damaged = []
    num_bytes = 0
    for number, (ref, is_whole) in enumerate(zip(there, spread(copy, there), strict=True), 1):
        num_bytes += ref.size_bytes if is_whole else 0
        damaged += [] if is_whole else [ref]
        tell(number, len(there))
    return Transferred(
        num_images=len(there) - len(damaged), num_bytes=num_bytes, missing=tuple(missing), damaged=tuple(damaged)
    )

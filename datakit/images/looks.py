"""What stages, lint and searches ask of an image, each answered once and remembered by content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from PIL import Image

from datakit.images.decode import UnreadableImage, unreadable_if_damaged
from datakit.images.measure import ImageFacts, examine
from datakit.model.stage import Look, Product

Answer = Callable[[Image.Image, bytes], dict[str, Any]]
"""(the image, decoded; the file's bytes) → facts. It leaves the image as it is, and raises
`UnreadableImage` at most; it is not asked about an image that cannot be decoded."""

FACTS: Final = Look(name="measured", key="facts:2")
"""Facts: those of `ImageFacts`; no `unreadable` where it can be decoded."""
MEASURED: Final = Look(name="measured", key="measured:3")
"""Facts: those of FACTS, and of `measures.measuring.measure` beside them; they cost some milliseconds more."""
PIXELS: Final = Look(name="pixels", key="pixels:1")
"""Facts: `digest`, of what the image shows; or `unreadable`. On its own, since it costs more than all measures."""
HASHED: Final = Look(name="hashed", key="hashed:2")
"""Facts: those of `hashes.to_facts`; or `unreadable`."""


def asked_once(looks: Iterable[Look]) -> list[Look]:
    """Each name once; of FACTS and MEASURED the latter, which answers both."""
    return list({look.name: look for look in sorted(looks, key=lambda look: look.key == MEASURED.key)}.values())


def answer(data: bytes, looks: Sequence[Look], others: Mapping[str, Answer] = {}) -> list[Product]:
    """A product for each look, in their order, with one decoding; `others` answers looks that are not of this module.

    Raises:
        KeyError: nobody answers a look.
    """
    facts, image = examine(data)
    if image is None:
        told = {"unreadable": facts.unreadable}
        return [Product(facts=msgspec.to_builtins(facts) if look.name == MEASURED.name else told) for look in looks]
    return [Product(facts=_facts(look, (facts, image), data, others)) for look in looks]


def _facts(
    look: Look, examined: tuple[ImageFacts, Image.Image], data: bytes, others: Mapping[str, Answer]
) -> dict[str, Any]:
    facts, image = examined
    try:
        if look.name == MEASURED.name:
            return msgspec.to_builtins(facts) if look.key == FACTS.key else _measured(facts, image, data)
        if look.name == PIXELS.name:
            from datakit.images.measures.pixels import pixel_digest

            return {"digest": pixel_digest(image)}
        return _hashed(image, data) if look.name == HASHED.name else others[look.name](image, data)
    except UnreadableImage as error:
        return {"unreadable": error.reason}


def _measured(facts: ImageFacts, image: Image.Image, data: bytes) -> dict[str, Any]:
    from datakit.images.measures.measuring import measure  # loads numpy

    with unreadable_if_damaged(facts.format):
        found: dict[str, Any] = msgspec.to_builtins(facts)
        return {**found, **measure(image, facts, data)}


def _hashed(image: Image.Image, data: bytes) -> dict[str, Any]:
    """A JPEG is hashed as it decodes at a fraction of its size, so that its hash is the same whoever asks."""
    from datakit.images.hashes import hash_file, hashes_of, to_facts

    return to_facts(hash_file(data) if image.format in ("JPEG", "MPO") else hashes_of(image))

"""Which item a part of an image was taken from, whatever that item is called by now."""

from __future__ import annotations

import msgspec

from datakit.errors import InputError
from datakit.model.order import RAW
from datakit.model.record import Box, decode_record
from datakit.repo.dataset import Dataset
from datakit.repo.items import item_files, renamed_to


class TakenFrom(msgspec.Struct, frozen=True, kw_only=True):
    """The item that another was taken from."""

    item: str
    """Its key when the part was taken."""
    crop_px: Box
    now: str = ""
    """Its key now; '' where it is no more."""


def taken_from(dataset: Dataset, root: bytes | None, key: str) -> TakenFrom | None:
    """Which item another was taken from, as its record says; None where it says nothing of it."""
    blob = item_files(dataset, root, RAW, key).record
    if blob is None:
        return None
    try:
        derived = decode_record(dataset.objects.read(blob), path=f"{RAW}/{key}.json", upstream=False).derived
    except InputError:
        return None  # the stages and lint tell of it
    if derived is None:
        return None
    names = (derived.item, renamed_to(dataset, derived.item))
    now = next((name for name in names if name and item_files(dataset, root, RAW, name).images), "")
    return TakenFrom(item=derived.item, crop_px=derived.crop_px, now=now)

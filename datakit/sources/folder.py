"""A plain folder: images, with captions beside them as `.txt` or `.caption` where there are any.

Folders below it become concepts. What is known of an image is its file name and its caption. Captions without an
image are orphans: they are imported beside the images, for lint to pair.
"""

from __future__ import annotations

from datakit.model.item import split_path
from datakit.sources.folders.walk import CAPTION_EXTENSIONS, Folder
from datakit.sources.model import PLAIN, Claims, Found, Source


def _claim(folder: Folder, is_told: bool) -> Claims:
    del is_told
    found = [Found(image=image, caption=folder.caption_of(image)) for image in folder.images]
    captions = {row.caption for row in found}
    left = [path for path in folder.ending(*CAPTION_EXTENSIONS) if path not in captions]
    moving = frozenset() if folder.takes_frames else folder.moving_stems
    orphans = [path for path in left if moving.isdisjoint((stem := split_path(path)[0], split_path(stem)[0]))]
    return Claims(found=found, orphans=orphans)


SOURCE = Source(name=PLAIN, title="plain folder", rank=100, claim=_claim)

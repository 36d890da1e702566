"""A plain folder: images, with captions beside them as `.txt` or `.caption` where there are any.

Folders below it become concepts. What is known of an image is its file name and its caption.
"""

from __future__ import annotations

from datakit.sources.model import Folder, Found, Listing, Source, listing


def _detect(folder: Folder) -> float:
    return 0.1 if folder.images else 0.0


def _scan(folder: Folder) -> Listing:
    rows = (Found(image=image, caption=folder.caption_of(image)) for image in folder.images)
    return listing(folder, rows, used=set())


SOURCE = Source(name="folder", title="a plain folder of images", detect=_detect, scan=_scan)

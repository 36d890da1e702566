"""Pictures that `dsk classgen` made with a base model: what it asked for stands in `classgen.json` beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.errors import InputError
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_json
from datakit.sources.folders.matching import base_name
from datakit.sources.folders.walk import Folder
from datakit.sources.model import Claims, Found, Source

MARK: Final = "classgen.json"
GENERATOR: Final = "dsk classgen"
_SUBSET: Final = "dataset.toml"
"""How a trainer reads the folder; written with the mark."""


def _claim(folder: Folder, is_told: bool) -> Claims:
    del is_told
    claims = Claims(used=set())
    seen: set[str] = set()
    for path in folder.ending("json"):
        pictures = _pictures(folder, path) if base_name(path) == MARK else None
        if pictures is None:
            continue
        place = path.removesuffix(MARK)
        claims.used.update({path, place + _SUBSET} & folder.files.keys())
        for name, said in pictures.items():
            image = place + name
            if folder.is_image(image) and image not in seen and isinstance(said, Mapping):
                seen.add(image)
                scraped = Scraped(upstream={**said, "source": GENERATOR})
                row = Found(image=image, caption=folder.caption_of(image), scraped=scraped, sidecar=path)
                claims.found.append(row)
    return claims


def _pictures(folder: Folder, path: str) -> Mapping[str, Any] | None:
    """Name → what it was made of; None where the file is no such mark."""
    try:
        data = read_json(folder, path)
    except InputError:
        return None
    if not isinstance(data, Mapping) or data.get("generator") != GENERATOR:
        return None
    found = data.get("pictures")
    return found if isinstance(found, Mapping) else {}


SOURCE = Source(name="classgen", title=GENERATOR, rank=5, claim=_claim)

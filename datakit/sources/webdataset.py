"""Webdataset shards unpacked: `<key>.webp` with `<key>.json` and `<key>.txt`, as img2dataset writes them.

A JSON object counts when its `key` (or `__key__`) is the file's own stem. Its `caption` becomes the caption where no
text lies beside it; address and md5 are taken, the rest stays in the record's `upstream`. The numbered shard that an
image lies in is no concept: the dataset's name is. Facts: rom1504/img2dataset:img2dataset/writer.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_json
from datakit.sources.folders.matching import Images, base_name, folder_of
from datakit.sources.folders.walk import Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.fields import Post

_SHARD: Final = re.compile(r"(?:[a-z]+[-_])?\d+(?:\.tar)?")
_MD5: Final = re.compile(r"[0-9a-f]{32}")


def _claim(folder: Folder, is_told: bool) -> Claims:
    images = Images(folder)
    claims = Claims()
    for path in folder.ending("json"):
        stem, _ = split_path(path)
        found = images.by_stem.get(stem, [])
        data = _sample(folder, path, base_name(stem), is_told) if found else None
        if data is not None:
            claims.used.add(path)
            claims.found.extend(_found(folder, image, path=path, data=data) for image in found)
    return claims


def _sample(folder: Folder, path: str, stem: str, is_told: bool) -> dict[str, Any] | None:
    try:
        data = read_json(folder, path)
    except InputError:
        return None
    if not isinstance(data, dict):
        return None
    return data if is_told or stem in [data.get("key"), data.get("__key__")] else None


def _found(folder: Folder, image: str, *, path: str, data: Mapping[str, Any]) -> Found:
    post = Post(data)
    md5 = post.text("md5").lower()
    url, text, caption = post.text("url"), post.text("caption"), folder.caption_of(image)
    scraped = Scraped(urls=(url,) if url else (), md5=md5 if _MD5.fullmatch(md5) else "", upstream=dict(data))
    return Found(
        image=image,
        caption=caption,
        text=text if text and not caption else None,
        scraped=scraped,
        sidecar=path,
        concept=folder.name if _SHARD.fullmatch(base_name(folder_of(image))) else "",
        problems=tuple(f"{path}: {one}" for one in post.problems),
    )


SOURCE = Source(name="webdataset", title="webdataset shards", rank=26, claim=_claim)

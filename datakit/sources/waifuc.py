"""waifuc: a hidden `.x_meta.json` beside `x.png`, and cheesechaser's `<id>_metainfo.json`.

The metadata holds what the site's API said under the site's name, a dict of tags with scores, and the file's name.
Values that waifuc pickled (`__type` with `base64`) are never unpickled: they stay as they are in the record's
`upstream`. waifuc re-encodes what it saves, so the site's md5 is not the file's. Facts: deepghs/waifuc:
waifuc/model/item.py, waifuc/source/{danbooru,konachan,pixiv}.py, deepghs/cheesechaser:cheesechaser/datapool/base.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_json
from datakit.sources.folders.matching import Images, base_name
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Loose, Source
from datakit.sources.reading.fields import Post
from datakit.sources.reading.site import Facts, read_facts, site_called

_META: Final = "_meta.json"
_METAINFO: Final = "_metainfo.json"
_PICKLED: Final = "__type"
_SITES: Final = {
    "safebooru": "danbooru",  # it asks safebooru.donmai.us, a view of danbooru with the same ids
    "safebooru_org": "safebooru",
    "yande": "yandere",
    "konachan_net": "konachan",
}
"""waifuc's names of sites that other programs call differently."""
_OWN_KEYS: Final = frozenset({"tags", "path", "ugoira", "time", "index"})


def _claim(folder: Folder, is_told: bool) -> Claims:
    del is_told
    images = Images(folder)
    claims = Claims(used=set())
    for path in folder.ending("json"):
        stem = _stem(path)
        if stem:
            _take(folder, images, claims, path=path, stem=stem)
    return claims


def _stem(path: str) -> str:
    """`folder/stem` of the image that a metadata file belongs to; '' where it is none."""
    place, slash, name = path.rpartition("/")
    if name.startswith(".") and name.endswith(_META):
        body = name[1 : -len(_META)]
    elif name.endswith(_METAINFO) and not name.startswith("."):
        body = name[: -len(_METAINFO)]
    else:
        return ""
    return f"{place}{slash}{body}" if body else ""


def _take(folder: Folder, images: Images, claims: Claims, *, path: str, stem: str) -> None:
    found = images.by_stem.get(stem, [])
    if not found and stem in images.moving_stems:
        claims.aside.append(Aside(path, "belongs to a moving picture"))
        return
    try:
        data = read_json(folder, path)
        problem = "" if isinstance(data, dict) else "not a JSON object"
    except InputError as error:
        data, problem = None, error.message
    if not isinstance(data, dict):
        _without_facts(folder, claims, path=path, images=found, problem=problem)
        return
    facts = read_meta(data)
    problems = tuple(f"{path}: {one}" for one in facts.problems)
    if not found and not facts.scraped.post_id and not facts.scraped.md5:
        claims.aside.append(Aside(path, "metadata of an image that is not here"))
        return
    claims.used.add(path)
    if not found:
        claims.loose.append(Loose(path=path, scraped=facts.scraped, problems=problems))
    for image in _named(found, data):
        row = Found(image=image, caption=folder.caption_of(image), scraped=facts.scraped, sidecar=path)
        claims.found.append(msgspec.structs.replace(row, problems=problems))


def _without_facts(folder: Folder, claims: Claims, *, path: str, images: list[str], problem: str) -> None:
    if not images:
        claims.aside.append(Aside(path, problem))
        return
    claims.used.add(path)
    note = f"{path}: {problem}; imported without it"
    claims.found.extend(Found(image=one, caption=folder.caption_of(one), problems=(note,)) for one in images)


def _named(images: list[str], data: Mapping[str, Any]) -> list[str]:
    """Of several images with one stem the one that the metadata names; all of them where it names none."""
    name = data.get("filename")
    wanted = base_name(name.replace("\\", "/")) if isinstance(name, str) else ""
    return [image for image in images if base_name(image) == wanted] or images


def read_meta(data: dict[str, Any]) -> Facts:
    """What a metadata object of waifuc or cheesechaser says; unknown sites leave their tags as general ones."""
    name, post = _api_answer(data)
    facts = read_facts(post, site=_SITES.get(name, name), upstream=data) if post is not None else None
    if facts is None:
        facts = read_facts(data, upstream=data) or Facts(Scraped(site=name, upstream=data))
    whole = Post(data)
    scraped = facts.scraped
    if not any(scraped.tags.values()) and (tags := whole.tags("tags")):
        scraped = msgspec.structs.replace(scraped, tags={"general": tags})
    url = whole.text("url")
    if url and url not in scraped.urls:
        scraped = msgspec.structs.replace(scraped, urls=(*scraped.urls, url))
    if any("allthefallen" in one for one in scraped.urls) and scraped.site == "danbooru":
        scraped = msgspec.structs.replace(scraped, site="atfbooru")  # waifuc calls it danbooru; the ids are its own
    if scraped.page is None:
        scraped = msgspec.structs.replace(scraped, page=_page(whole))
    return Facts(scraped, (*facts.problems, *whole.problems))


def _api_answer(data: Mapping[str, Any]) -> tuple[str, Mapping[str, Any] | None]:
    """(site's name, what its API said); a site that is not known only where the group is called after it."""
    held = {key: one for key, one in data.items() if isinstance(one, Mapping) and _PICKLED not in one}
    names = [key for key in held if key not in _OWN_KEYS]
    group = str(data.get("group_id", ""))
    known = [key for key in names if site_called(_SITES.get(key, key))]
    name = next(iter(known or [key for key in names if group.startswith(f"{key}_")]), "")
    return (name, held[name]) if name else ("", None)


def _page(whole: Post) -> int | None:
    """Of `pixiv_123_4`, an image of the group `pixiv_123`."""
    group, one = whole.text("group_id"), whole.text("instance_id")
    number = one.removeprefix(f"{group}_") if group and one.startswith(f"{group}_") else ""
    return int(number) if number.isdecimal() and number.isascii() and len(number) <= 9 else None


SOURCE = Source(name="waifuc", title="waifuc and cheesechaser", rank=20, claim=_claim)

"""What gallery-dl's file names say: which image a sidecar stands beside, which file a post was saved as.

Names are those of gallery-dl's own `filename` settings; people who set others have sidecars that bear the image's name.
Facts: mikf/gallery-dl:gallery_dl/postprocessor/metadata.py, gallery_dl/extractor/*.py (`filename_fmt`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from datakit.model.item import IMAGE_EXTENSIONS, split_path
from datakit.model.record import Scraped
from datakit.sources.folders.matching import Images, base_name, folder_of
from datakit.sources.folders.walk import VIDEO_EXTENSIONS, Folder
from datakit.sources.reading.site import site_called, site_name

_MEDIA: Final = IMAGE_EXTENSIONS | VIDEO_EXTENSIONS | {"jfif", "jpe", "zip", "swf", "mp3", "svg"}
_BOORU: Final = re.compile(r"([A-Za-z0-9-]+)_([A-Za-z0-9]+)_(?:.*_)?([0-9a-f]{32})", re.ASCII)
_GALLERY: Final = re.compile(r"(\d+)_(\d+)_", re.ASCII)
_FORMATS: Final = (
    *("{category}_{id}_{filename}", "{category}_{id}_{md5}", "{category}_{id}", "{id}_p{num}", "{tweet_id}_{num}"),
    *("{gid}_{num:0>4}_{image_token}_{filename}", "{id}_{version}_{checksumMD5}", "{id}", "{filename}"),
)
_ID_DIGITS: Final = 5
"""A name with as many digits is a post's; `001` is a page's, and many galleries have one."""
_MAX_FOLDERS: Final = 32
_PLACES: Final = re.compile(r"\{(\w+)(?::0>4)?\}")


class Pairs:
    """Which images the sidecars of a folder may belong to."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.images = Images(folder)

    @cached_property
    def _with_images(self) -> set[str]:
        return {folder_of(path) for path in self.folder.images}

    def beside(self, path: str) -> list[str]:
        """The images that a sidecar `x.png.json` or `x.json` may belong to; [] for none.

        `x.png.json` also belongs to an `x.jpg`, since gallery-dl corrects extensions. Where a folder holds no images,
        its sidecars belong to those of the folder around it, of the same path without its first folders, or else to
        the only image of their name, if that name is a post's.
        """
        base = split_path(path)[0]
        found = self._at(base)
        if found or folder_of(path) in self._with_images or self.other_file(path):
            return found
        return self._elsewhere(base)

    def _elsewhere(self, base: str) -> list[str]:
        place, _, name = base.rpartition("/")
        around = f"{folder_of(place)}/{name}".lstrip("/") if place else ""
        parts = place.split("/")[:_MAX_FOLDERS]
        for path in (around, *("/".join([*parts[start:], name]) for start in range(1, len(parts)))):
            if path and (found := self._at(path)):
                return found
        named = self.images.by_name.get(name.lower()) or self.images.by_bare_stem.get(_without_media(name), [])
        return named if len(named) == 1 and sum(map(str.isdigit, name)) >= _ID_DIGITS else []

    def other_file(self, path: str) -> bool:
        """Whether a sidecar belongs to a file that is no image: a video, an archive."""
        base = split_path(path)[0]
        if base in self.folder.files and not self.folder.is_image(base):
            return True
        return bool({base, _without_media(base)} & self.images.moving_stems)

    def _at(self, base: str) -> list[str]:
        if base in self.folder.files:
            return [base] if self.folder.is_image(base) else []
        return self.images.by_stem.get(base) or self.images.by_stem.get(_without_media(base), [])

    def of_post(self, data: Mapping[str, Any], *, place: str) -> list[str]:
        """The images that a post without a file of its own was saved as, below `place` or else anywhere."""
        names = [name for pattern in _FORMATS if (name := _filled(pattern, data))]
        for found in (*(self.images.by_bare_stem.get(name, []) for name in names), self._with_md5(data)):
            near = [path for path in found if path.startswith(f"{place}/")] if place else found
            if len(near or found) == 1:
                return near or found
        return []

    def _with_md5(self, data: Mapping[str, Any]) -> list[str]:
        found = data.get("md5")
        return self.images.by_md5.get(found.lower(), []) if isinstance(found, str) else []


def facts_of_name(image: str) -> Scraped | None:
    """Site, id and md5 that a name such as `danbooru_7000_<md5>.png` says; None where it says none."""
    match = _BOORU.fullmatch(base_name(split_path(image)[0]))
    if not match or not site_called(match[1]):
        return None
    return Scraped(site=site_name(match[1]), post_id=match[2], md5=match[3])


def page_of_name(image: str, gallery: str) -> int | None:
    """The page that a name such as `<gallery>_0012_…` says; None where it says none."""
    match = _GALLERY.match(base_name(image))
    return int(match[2]) if match and match[1] == gallery and len(match[2]) < 10 else None


def _without_media(name: str) -> str:
    stem, extension = split_path(name)
    return stem if extension.lower() in _MEDIA else name


def _filled(pattern: str, data: Mapping[str, Any]) -> str:
    """A format with the post's fields in it; '' where one of them is missing."""
    values = {name: data.get(name) for name in _places(pattern)}
    if all(isinstance(value, str | int) and value != "" for value in values.values()):
        return pattern.format(**{name: str(value) for name, value in values.items()})
    return ""


def _places(pattern: str) -> Iterator[str]:
    return (match[1] for match in _PLACES.finditer(pattern))

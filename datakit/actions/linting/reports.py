"""A lint report as a file: json, sarif, github, csv or a page with thumbnails; and what fixes would change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from datakit import __version__
from datakit.actions.linting.lint import Fixes
from datakit.images.decode import UnreadableImage, read_bounded
from datakit.images.thumbnail import make_thumbnail
from datakit.lint.engine import Report
from datakit.lint.formats.model import FORMATS, View
from datakit.lint.pages import doc_of
from datakit.model.item import IMAGE_EXTENSIONS, is_image, split_path

_MOST_THUMBNAILS: Final = 3000
"""A page with more takes a browser's memory and minutes to make."""


def formats() -> list[str]:
    """The names of all formats."""
    return FORMATS.names()


def render(report: Report, name: str, root: Path) -> str:
    """The report in a format; `root` is the dataset or the folder.

    Raises:
        UsageError: no such format.
    """
    view = View(root=root.name, version=__version__, thumbnail=_thumbnails(root), docs=doc_of)
    return FORMATS.load(name).render(report, view)


def _thumbnails(root: Path) -> Callable[[str], bytes | None]:
    """Path of a finding → a small picture of its image; the first few thousand are made."""
    made: set[str] = set()

    @cache
    def thumbnail(path: str) -> bytes | None:
        image = _image_beside(root, path)
        if image is None or len(made) >= _MOST_THUMBNAILS:
            return None
        made.add(path)
        try:
            return make_thumbnail(read_bounded(image)).data
        except (UnreadableImage, OSError):
            return None

    return thumbnail


def _image_beside(root: Path, path: str) -> Path | None:
    """The image that a path is, or that has its stem."""
    if not path:
        return None
    if is_image(path):
        return root / path
    key = split_path(path)[0]
    candidates = (root / f"{key}.{extension}" for extension in sorted(IMAGE_EXTENSIONS))
    return next((one for one in candidates if one.is_file()), None)


def diff_of(fixes: Fixes) -> Iterator[str]:
    """What fixes would change, line by line, as a patch."""
    mended = fixes.mended
    kept = {*mended.before.values()}
    for path, old in sorted(mended.before.items()):
        if path not in mended.contents:
            yield from (
                f"diff --git a/{old} b/{path}",
                "similarity index 100%",
                f"rename from {old}",
                f"rename to {path}",
            )
            continue
        before = _lines(fixes.read(old)) if old else []
        heads = (f"a/{old}" if old else "/dev/null", f"b/{path}")
        yield from (line.rstrip("\n") for line in difflib.unified_diff(before, _lines(mended.contents[path]), *heads))
    for path in mended.removed:
        if path not in kept:
            heads = (f"a/{path}", "/dev/null")
            yield from (line.rstrip("\n") for line in difflib.unified_diff(_lines(fixes.read(path)), [], *heads))


def _lines(data: bytes) -> list[str]:
    r"""Lines that a person can read: what is no text, and what a terminal obeys, is shown as `\xNN`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "backslashreplace")
    shown = "".join(sign if sign.isprintable() or sign in "\n\t" else _escaped(sign) for sign in text)
    return shown.splitlines(keepends=True)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode()

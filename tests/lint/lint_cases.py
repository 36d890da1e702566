"""Cases of lint rules as data: `tests/cases/lint/<rule>/*.json`, each a table of named cases.

"what is special about it": {
  "stages": ["raw"],                          where it is linted, each in turn
  "files": {"a/x.png": "rgb", "a/x.txt": "1girl"},   an image by the word for its kind, any other file as text
  "scores": {"a/x.png": {"hat": 0.9}},        what taggers saw, by image; absent: no tagger is in use
  "findings": [{"path": "a/x.txt", "message": "part of it", …}],   all of them; [] for a look-alike that passes
  "fixed": {"a/x.png": "rgb", …}              the whole tree after the safe fixes; absent: nothing changes
}
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from datakit.images.measure import ImageFacts, probe
from datakit.lint.model import Change, Collection, Delete, Rename, Write, rooted
from datakit.model.item import is_image

CASES = Path(__file__).parents[1] / "cases" / "lint"
Tree = dict[str, bytes]


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One folder and what a rule says of it."""

    name: str
    stages: list[str]
    files: dict[str, str]
    findings: list[dict[str, Any]]
    scores: dict[str, dict[str, float]] | None = None
    fixed: dict[str, str] | None = None

    def tree(self) -> Tree:
        return tree_of(self.files)

    def fixed_tree(self) -> Tree:
        return tree_of(self.files if self.fixed is None else self.fixed)


def cases_of(rule: str) -> list[Case]:
    """The cases of a rule, in the order of their files."""
    found = []
    for path in sorted((CASES / rule).glob("*.json")):
        for name, case in json.loads(path.read_text("utf-8")).items():
            found.append(msgspec.convert({"name": f"{path.stem}: {name}", **case}, Case))
    return found


def tree_of(files: Mapping[str, str]) -> Tree:
    return {path: content(path, text) for path, text in files.items()}


def content(path: str, text: str) -> bytes:
    """The bytes of a file of a case."""
    return picture(text) if is_image(path) else text.encode()


@cache
def picture(kind: str) -> bytes:
    """An image of 8 by 6 pixels of the given kind."""
    return PICTURES[kind]()


def collection_of(stage: str, tree: Tree, scores: Mapping[str, Mapping[str, float]] | None = None) -> Collection:
    """A tree as lint sees it."""
    seen = scores.get if scores is not None else None
    return Collection(stage=stage, paths=tuple(sorted(tree)), read=tree.__getitem__, facts=facts_of(tree), scores=seen)


def facts_of(tree: Tree) -> Callable[[str], ImageFacts]:
    return lambda path: facts(tree[path])


@cache
def facts(data: bytes) -> ImageFacts:
    return probe(data)


def apply(tree: Tree, changes: Sequence[Change], *, stage: str) -> Tree:
    """The tree with changes from the dataset's root made; like a disk, it refuses what is not there."""
    result = {rooted(stage, path): data for path, data in tree.items()}
    for change in changes:
        match change:
            case Rename(old, new):
                assert new not in result
                result[new] = result.pop(old)
            case Write(path, data):
                result[path] = data
            case Delete(path):
                del result[path]
    start = len(rooted(stage, "x")) - 1
    return {path[start:]: data for path, data in result.items()}


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _plain(mode: str, colour: Any, *, last: Any = None) -> bytes:
    image = Image.new(mode, (8, 6), colour)
    if last is not None:
        image.putpixel((7, 5), last)
    return _encoded(image, "PNG")


def _palette(transparent: bool) -> bytes:
    image = Image.new("P", (8, 6), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 1), 1)
    return _encoded(image, "PNG", **({"transparency": 1} if transparent else {}))


def _noise() -> bytes:
    image = Image.effect_noise((64, 64), 80).convert("RGB")
    return _encoded(image, "JPEG")


PICTURES: dict[str, Callable[[], bytes]] = {
    "rgb": lambda: _plain("RGB", (200, 30, 30)),
    "grey": lambda: _plain("L", 90),
    "jpeg": lambda: _encoded(Image.new("RGB", (8, 6), (30, 90, 30)), "JPEG"),
    "rgba-opaque": lambda: _plain("RGBA", (200, 30, 30, 255)),
    "rgba-transparent": lambda: _plain("RGBA", (0, 0, 0, 0), last=(200, 30, 30, 255)),
    "rgba-one-soft-pixel": lambda: _plain("RGBA", (200, 30, 30, 255), last=(200, 30, 30, 254)),
    "grey-alpha": lambda: _plain("LA", (90, 0)),
    "palette": lambda: _palette(transparent=False),
    "palette-transparent": lambda: _palette(transparent=True),
    "webp-transparent": lambda: _encoded(Image.new("RGBA", (8, 6), (1, 2, 3, 9)), "WEBP", lossless=True),
    "truncated-jpeg": lambda: (data := _noise())[: len(data) * 2 // 3],
    "truncated-png": lambda: (data := _plain("RGB", (1, 2, 3)))[: len(data) // 2],
    "zero-bytes": lambda: b"",
    "web-page": lambda: b"<!doctype html><title>404 Not Found</title>",
}

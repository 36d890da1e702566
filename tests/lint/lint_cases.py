"""Cases of lint rules as data: `tests/cases/lint/<rule>/*.json`, each a table of named cases.

"what is special about it": {
  "stages": ["raw"],                          where it is linted, each in turn
  "files": {"a/x.png": "rgb", "a/x.txt": "1girl"},   an image by the word for its kind, any other file as text
  "scores": {"a/x.png": {"hat": 0.9}},        what taggers saw, by image; absent: no tagger is in use
  "context": {"targets": ["sd-scripts"]},     what is known besides the files: see lint_context.py
  "findings": [{"path": "a/x.txt", "message": "part of it", …}],   all of them; [] for a look-alike that passes
  "fixed": {"a/x.png": "rgb", …}              the whole tree after the safe fixes; absent: nothing changes
}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from lint_context import context_of
from lint_pictures import picture

from datakit.images.looks import MEASURED, answer
from datakit.lint.collection import CONTENT, Collection
from datakit.lint.context import Context
from datakit.lint.model import Change, Delete, Rename, Rule, Write, rooted
from datakit.model.item import is_image
from datakit.model.stage import Look

CASES = Path(__file__).parents[1] / "cases" / "lint"
Tree = dict[str, bytes]


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One folder and what a rule says of it."""

    name: str
    stages: list[str]
    files: dict[str, str]
    findings: list[dict[str, Any]]
    scores: dict[str, dict[str, float]] | None = None
    context: dict[str, Any] = {}
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
    """The bytes of a file of a case: `hex:` stands before bytes that are no text."""
    if is_image(path):
        return picture(text)
    return bytes.fromhex(text.removeprefix("hex:")) if text.startswith("hex:") else text.encode()


def linted(rule: Rule, case: Case, stage: str, tree: Tree | None = None) -> Collection:
    """A case's tree, or what became of it, as the rule sees it in a stage; it answers only looks that it declares."""
    return collection_of(
        stage,
        case.tree() if tree is None else tree,
        case.scores,
        context=context_of(case.context, rule),
        looks=rule.looks,
    )


def collection_of(
    stage: str,
    tree: Tree,
    scores: Mapping[str, Mapping[str, float]] | None = None,
    *,
    context: Context | None = None,
    looks: Sequence[Look] = (MEASURED,),
) -> Collection:
    """A tree as lint sees it."""
    seen = scores.get if scores is not None else None

    def looked(path: str, look: Look) -> Mapping[str, Any]:
        assert look in looks, f"{look.name} is not among the rule's looks"
        return answered(tree[path], look)

    return Collection(
        stage=stage,
        paths=tuple(sorted(tree)),
        read=tree.__getitem__,
        looked=looked,
        context=context or Context(),
        scores=seen,
    )


def answered(data: bytes, look: Look) -> Mapping[str, Any]:
    """What a look finds in an image."""
    return _answered(data, look.name, look.key)


@cache
def _answered(data: bytes, name: str, key: str) -> Mapping[str, Any]:
    if name == CONTENT.name:
        return {"sha256": hashlib.sha256(data).hexdigest()}
    return answer(data, [Look(name=name, key=key)])[0].facts


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

"""A caption belongs to no image.

## What it does
Finds `.txt` files without an image of the same name in the same folder, and names the image that it
most probably belongs to: the one with the nearest name, before all one that has no caption yet.
`readme.txt`, `license.txt` and `multiply.txt` (repeats, for cyber-meow/anime_screenshot_pipeline) are
no captions, nor are lists of images such as `val.txt`, and `k.png.txt` beside `k.png` is
double-extension-caption's. Where no name is similar, the
order may tell: between two pairs that belong together, as many captions without an image as images
without one are named in turn. That is only a hint.

## Why is this bad?
Trainers go from image to caption and never look back. `imag123.txt` is not read by any of them, and
`image123.png` trains without its caption: sd-scripts gives it the subset's `class_tokens` or an empty
prompt after a warning that lists five names (kohya-ss/sd-scripts:library/train_util.py,
`read_caption`). The work in the caption is lost, and nobody is told.

## Example



```
aria/image123.png
aria/imag123.txt
```

## Use instead



```
aria/image123.png
aria/image123.txt
```

## Fix
Safe: renames the caption, and only when it is clear which image is meant. That is so when exactly one
image of the folder has the nearest name, it has no caption, and the names are at most one slip of the
keyboard apart: one letter left out, added, changed or swapped with its neighbour, in names of at least
eight letters. Case, kind of separator and an image's extension inside the name (`Image123.png.txt`) do
not count. A differing number is never a slip: `image12.txt` is not the caption of `image13.png`. Where
two captions want one image, or an image of the caption's own name lies in another folder, nothing is
renamed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import msgspec

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.lists import lists_of
from datakit.lint.facts.names import Guess, Names
from datakit.lint.facts.ordering import by_order
from datakit.lint.facts.sidecars import is_double
from datakit.lint.model import Change, Finding, Rename, Rule
from datakit.model.item import CAPTION_EXTENSION, concept_of, is_image, split_path, stem_of

NO_CAPTIONS: Final = frozenset({"readme", "license", "multiply"})


class _Folder(msgspec.Struct, frozen=True, dict=True, eq=False):
    """The images of one folder by the names that a caption may be compared with."""

    files: dict[str, str]
    """Stem → one image's file name."""
    captioned: frozenset[str]
    """The stems that have a caption."""

    @cached_property
    def names(self) -> Names:
        return Names(self.files)

    @cached_property
    def bare_names(self) -> Names:
        """Of the images without a caption."""
        return Names(self.files.keys() - self.captioned)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption file; its evidence has the image's stem."""
    lists = {split_path(one.path)[0] for one in lists_of(collection)}
    orphans = [key for key in collection.captions_of if key not in lists and _is_orphan(collection, key)]
    concepts = {concept_of(key) for key in orphans}
    folders = _folders(collection, concepts)
    homes = _homes(collection, {stem_of(key) for key in orphans})
    stems: dict[str, list[str]] = {concept: [] for concept in concepts}
    for key in orphans:
        stems[concept_of(key)].append(stem_of(key))
    orders = {c: by_order(folders[c].files, folders[c].captioned, orphans=stems[c]) for c in concepts}
    for key in orphans:
        concept = concept_of(key)
        in_turn = orders[concept].get(stem_of(key), "")
        for caption in collection.captions_of[key]:
            yield _finding(caption, folders[concept], homes=homes.get(stem_of(key), {}), in_turn=in_turn)


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Rename the caption after its image."""
    concept = concept_of(finding.path)
    name = f"{finding.evidence['stem']}.{CAPTION_EXTENSION}"
    return [Rename(finding.path, f"{concept}/{name}" if concept else name)]


def _is_orphan(collection: Collection, key: str) -> bool:
    if key in collection.images_of or stem_of(key).lower() in NO_CAPTIONS:
        return False
    return not is_double(collection, key)


def _folders(collection: Collection, concepts: set[str]) -> dict[str, _Folder]:
    keys: dict[str, list[str]] = {concept: [] for concept in concepts}
    for key in collection.images_of:
        if (concept := concept_of(key)) in keys:
            keys[concept].append(key)
    return {
        concept: _Folder(
            files={stem_of(key): stem_of(collection.images_of[key][0]) for key in inside},
            captioned=frozenset(stem_of(key) for key in inside if key in collection.captions_of),
        )
        for concept, inside in keys.items()
    }


def _homes(collection: Collection, stems: set[str]) -> dict[str, dict[str, bool]]:
    """Stem → images of exactly that stem, in whatever folder → whether they have a caption."""
    found: dict[str, dict[str, bool]] = {}
    for key, images in collection.images_of.items():
        if (stem := stem_of(key)) in stems:
            found.setdefault(stem, {})[images[0]] = key in collection.captions_of
    return found


def _finding(caption: str, folder: _Folder, *, homes: dict[str, bool], in_turn: str) -> Finding:
    stem = stem_of(split_path(caption)[0])
    if is_image(stem):
        stem = split_path(stem)[0]
    nearest = folder.names.nearest(stem)
    if nearest.clear and nearest.names[0] not in folder.captioned and not homes:
        name = nearest.names[0]
        return Finding(
            path=caption,
            message=f"caption without an image; it most probably belongs to {folder.files[name]}",
            hint=f"dsk lint --fix renames it to {name}.{CAPTION_EXTENSION}",
            fixable=True,
            evidence={"stem": name},
        )
    bare_homes = [image for image, captioned in homes.items() if not captioned]
    message, hint = _unclear(folder, stem, nearest=nearest, homes=bare_homes)
    if in_turn and not bare_homes and not folder.bare_names.nearest(stem).names:
        message = f"no image without one has a similar name, but by order it would be that of {folder.files[in_turn]}"
        hint = f"look at both; if so, rename it to {in_turn}.{CAPTION_EXTENSION}"
    return Finding(path=caption, message=f"caption without an image; {message}", hint=hint)


def _unclear(folder: _Folder, stem: str, *, nearest: Guess, homes: Sequence[str]) -> tuple[str, str]:
    """What can be said, and done, where no one image is meant for certain."""
    if homes:
        return f"an image of that name lies in another folder: {homes[0]}", "move the caption beside it"
    if not nearest.names:
        return "no image here has a similar name", "delete it, or bring its image back"
    bare = folder.bare_names.nearest(stem).names
    if bare:
        others = f" or {len(bare) - 1} more" if len(bare) > 1 else ""
        return (
            f"perhaps it belongs to {folder.files[bare[0]]}{others}",
            f"if so, rename it to {bare[0]}.{CAPTION_EXTENSION}; else delete it",
        )
    return (
        f"the nearest name is that of {folder.files[nearest.names[0]]}, which has a caption",
        "compare the two captions, keep one",
    )


RULE = Rule(
    code="P002",
    name="orphaned-caption",
    group="pairs",
    severity="error",
    stages=ALL_STAGES,
    check=check,
    fix=fix,
    fix_safety="safe",
)

"""A file that an operating system left behind lies among the images.

## What it does
Finds `Thumbs.db`, `ehthumbs.db`, `desktop.ini`, `.DS_Store`, `.directory` and the `._name` twins of macOS
in and around folders with images. A `._image1.png` counts only where it begins with the bytes of such a twin.

## Why is this bad?
Most trainers do not see them, but diffusion-pipe takes every file for media that is not `.txt`, `.npz`,
`.json`, `.parquet`, `.bak` or `.db` (tdrussell/diffusion-pipe:utils/dataset.py). The twins of macOS are
worse: `._image1.png` has an image's extension and no image in it, so whoever lists a folder trains it, or
stops there.

## Example

```
aria/image1.png
aria/._image1.png
aria/Thumbs.db
```

## Use instead

```
aria/image1.png
```

## Fix
Unsafe: removes the file, which nothing brings back. The system writes it again when it wants it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.facts.sidecars import is_system_file
from datakit.lint.model import Change, Delete, Effect, Finding, Rule
from datakit.model.item import stem_of

_UNSEEN: Final = Effect("info", "does not see it")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each file."""
    for path in collection.paths if collection.images else ():
        if is_system_file(collection, path):
            yield Finding(
                path=path,
                message=f"{stem_of(path)} was left behind by an operating system",
                hint="delete it; dsk lint --fix --unsafe-fixes does",
                fixable=True,
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Remove the file."""
    return [Delete(finding.path)]


RULE = Rule(
    code="P019",
    name="system-file",
    group="pairs",
    severity="warning",
    severity_in=dict.fromkeys((stage for stage in ALL_STAGES if stage != FOLDER), "info"),
    stages=ALL_STAGES,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    effects={
        "diffusion-pipe": Effect("warning", "takes it for media, unless it ends in .db", "utils/dataset.py"),
        "sd-scripts": _UNSEEN,
        "onetrainer": _UNSEEN,
        "dsk": _UNSEEN,
    },
)

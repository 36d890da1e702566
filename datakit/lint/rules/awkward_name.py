"""A file has a name that some systems cannot hold, or misread.

## What it does
Finds images and captions of which the name, or a folder's, is reserved by Windows (`CON`, `aux.png`),
ends with a dot or a blank, has one of `<>:"|?*` or a backslash or a control character in it, begins with a
dash, or is longer than 255 bytes.

## Why is this bad?
Windows cannot create such files, and zip tools leave them out or rename them, so that the image and its
caption part. A name that begins with a dash is taken for an option by the programs it is given to. sd-scripts
finds images by glob patterns (kohya-ss/sd-scripts:library/train_util.py, `glob_images`), where it escapes
the folder's name and not all others do.

## Example

```
aria/what?.png
aria/aux.png
```

## Use instead

```
aria/what.png
aria/aux_1.png
```

## Fix
None: give it another name, and its caption too; in a dataset dsk mv does so in every stage at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule
from datakit.lint.words import shortened
from datakit.model.item import split_path

_FORBIDDEN: Final = re.compile(r'[<>:"|?*\\]')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[1-9¹²³])(\..*)?", re.IGNORECASE)
_END: Final = re.compile(r".*[. ]", re.DOTALL)
_MOST_BYTES: Final = 255
_QUICK: Final = re.compile(
    r"""[<>:"|?*\\\x00-\x1f\x7f-\x9f]|(^|/)(-|con|prn|aux|nul|com|lpt)|[. ](/|$)|[. ]\.[^./]*$|[^/]{64}""",
    re.IGNORECASE,
)
"""Whether a path is worth looking at closely: every awkward one is, and some others."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image, and for each caption without one."""
    lonely = (paths for key, paths in collection.captions_of.items() if key not in collection.images_of)
    for path in chain(collection.images, chain.from_iterable(lonely)):
        if _QUICK.search(path) is None:
            continue
        if reason := next(filter(None, map(_reason, [*path.split("/"), _bare(path)])), ""):
            yield Finding(
                path=path,
                message=f"its name {reason}",
                hint=_cure(collection.stage, path),
                evidence={"reason": reason},
            )


def _bare(path: str) -> str:
    return split_path(path)[0].rpartition("/")[2]


def _reason(name: str) -> str:
    """What is awkward about a name, as the end of a sentence; '' where nothing is."""
    if found := _CONTROL.search(name):
        return f"has the control character U+{ord(found[0]):04X} in it"
    if found := _FORBIDDEN.search(name):
        return f"has {found[0]} in it, which Windows forbids"
    if _RESERVED.fullmatch(name):
        return f"is reserved by Windows: {shortened(name)}"
    if _END.fullmatch(name):
        return f"ends with a {'dot' if name.endswith('.') else 'blank'}"
    if name.startswith("-"):
        return "begins with a dash, as options do"
    size = len(name.encode("utf-8", "surrogatepass"))
    return f"has {size} bytes, and disks hold {_MOST_BYTES}" if size > _MOST_BYTES else ""


def _cure(stage: str, path: str) -> str:
    if stage == FOLDER:
        return "rename it, and its caption with it"
    return f"dsk mv {shortened(split_path(path)[0])} and a plain name renames it in every stage"


RULE = Rule(
    code="D008",
    name="awkward-name",
    group="dataset",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
)

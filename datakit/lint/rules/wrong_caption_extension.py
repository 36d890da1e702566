"""A caption has an extension that trainers do not read.

## What it does
Finds images without a caption beside which lies a file of the same name with `.caption`, `.cap`, `.text`,
`.tags`, `.tag`, `.prompt`, or `.txt` in other case (`a.TXT`). With `--for`, what all those trainers read
is right: sd-scripts and dsk also read `.caption`. A trainer reads one extension at a time, so where other
images have `.txt`, `.caption` is wrong.

## Why is this bad?
The caption is there, and the image trains without it. sd-scripts looks for `.caption` unless
`caption_extension` says otherwise, all others look for `.txt`
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`; ostris/ai-toolkit:toolkit/config_modules.py).
It is what users of sd-scripts ask about most: whole sets train an empty prompt, and nobody notices. On
Linux `a.TXT` is another file than `a.txt`.

## Example

```
aria/image1.png
aria/image1.caption
```

## Use instead

```
aria/image1.png
aria/image1.txt
```

## Fix
Safe: renames the caption. Where two files want to be the caption of one image, neither is renamed.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.sidecars import WITHOUT_CAPTION, misnamed, renamed
from datakit.lint.model import Finding, Rule
from datakit.model.item import stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; its evidence has the path that it would be read at."""
    for one in misnamed(collection):
        if one.is_double:
            continue
        name = stem_of(one.wanted)
        cure = f"dsk lint --fix renames it to {name}" if one.is_alone else f"keep one of the captions, as {name}"
        yield Finding(
            path=one.path,
            message=f"caption of {stem_of(one.images[0])} that trainers do not read: they look for {name}",
            hint=cure,
            fixable=one.is_alone,
            evidence={"wanted": one.wanted},
        )


RULE = Rule(
    code="P005",
    name="wrong-caption-extension",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    check=check,
    fix=renamed,
    fix_safety="safe",
    effects={**WITHOUT_CAPTION},
)

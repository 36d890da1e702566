"""An image has an extension that the trainer does not read.

## What it does
With `--for` a trainer, finds images whose extension it does not look for: formats that it does not know, and
upper or mixed case (`.PNG`, `.Png`) where that makes a difference.

## Why is this bad?
Trainers list the files that they know and pass over the rest in silence. sd-scripts knows png, jpg, jpeg,
webp and bmp, in lower case or in upper case alone (kohya-ss/sd-scripts:library/train_util.py,
`IMAGE_EXTENSIONS`; AVIF and JPEG XL only with a plugin), naifu in lower case alone
(Mikubill/naifu:data/image_storage.py, `image_suffix`), and ai-toolkit knows four formats. The image and its
caption are simply not there.

## Example

```
aria/image1.Png
aria/image2.gif
```

## Use instead

```
aria/image1.png
aria/image2.png
```

## Fix
None here: dsk edit writes formats that trainers do not read anew; a name in another case is to be renamed.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.pictures import cure
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.targets.model import Target
from datakit.lint.words import listed
from datakit.model.item import split_path, stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that a trainer that is aimed at does not see."""
    anew = cure(collection, in_dataset="dsk edit writes it anew", in_folder="save it as PNG, WebP or JPEG")
    for image in collection.images:
        stem, extension = split_path(image)
        blind = [target for target in collection.context.targets if not reads(target, extension)]
        if blind:
            lower = extension.lower()
            known = all(lower in target.image_extensions for target in blind)
            yield Finding(
                path=image,
                message=f"{listed(target.title for target in blind)} does not read .{extension}",
                hint=f"rename it to {stem_of(stem)}.{lower}" if known else anew,
                evidence={"targets": [target.name for target in blind]},
            )


def reads(target: Target, extension: str) -> bool:
    """Whether a trainer sees files of this extension."""
    if extension.lower() not in target.image_extensions:
        return False
    if extension == extension.lower():
        return True
    return target.upper_case_extensions if extension == extension.upper() else target.mixed_case_extensions


RULE = Rule(
    code="I018",
    name="unread-image",
    group="images",
    severity="error",
    stages=TRAINED_STAGES,
    last_only=True,
    check=check,
    needs_target=True,
    effects={
        "sd-scripts": Effect("error", "does not see the image", "library/train_util.py, IMAGE_EXTENSIONS"),
        "onetrainer": Effect("error", "does not see the image", "modules/util/path_util.py"),
        "simpletuner": Effect("error", "does not see the image", "simpletuner/helpers/data_backend/local.py"),
        "ai-toolkit": Effect("error", "does not see the image", "toolkit/data_loader.py"),
        "diffusion-pipe": Effect("warning", "leaves the image out with a warning", "utils/dataset.py"),
        "naifu": Effect("error", "does not see the image", "data/image_storage.py, image_suffix"),
        "dsk": Effect("error", "does not see the image", "trainer/data/decoding.py, extensions"),
    },
)

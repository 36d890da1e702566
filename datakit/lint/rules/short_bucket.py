"""A bucket has fewer images than a batch.

## What it does
Sorts the images into buckets as sd-scripts does, by the training resolution, and finds buckets with fewer
images, repeats counted, than the batch size. The batch size and the resolution are those of
`[lint.training]`, else of the export's settings; with a batch of one nothing is found.

## Why is this bad?
A batch holds images of one size only. What does not fill one is handled differently, and mostly without
a word that is read: diffusion-pipe leaves the whole bucket out after a warning
(tdrussell/diffusion-pipe:utils/dataset.py), OneTrainer leaves out what does not fill a batch, so that
these images never train; SimpleTuner refuses the bucket, down to "No images were discovered by the bucket
manager" (bghira/SimpleTuner:simpletuner/helpers/metadata/backends/base.py); sd-scripts trains a smaller
batch, whose images weigh more than others. The buckets of the other trainers are not quite those of
sd-scripts.

## Example

```
aria/     60 images of 832 x 1216, one of 1536 x 640, batch size 4
```

## Use instead

```
aria/     61 images of 832 x 1216: the wide one cropped
```

## Fix
None: crop the image to a shape that others have, repeat its concept, or take a smaller batch.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import FOLDER, TRAINED_STAGES, Collection
from datakit.lint.facts.buckets import Size, fit
from datakit.lint.facts.holdout import trained_images
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.words import counted, listed
from datakit.model.item import concept_of, split_path, stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each bucket, at its first image; its evidence has all of them."""
    training = collection.context.training
    if training.batch_size < 2:
        return
    for bucket, images in sorted(_buckets(collection).items()):
        shown = sum(collection.context.repeats_of(concept_of(image)) for image in images)
        if shown >= training.batch_size:
            continue
        others = f" (with {listed(stem_of(one) for one in images[1:])})" if len(images) > 1 else ""
        yield Finding(
            path=images[0],
            message=(
                f"bucket {bucket[0]} x {bucket[1]} has {counted(shown, 'image')}, "
                f"and a batch takes {training.batch_size}{others}"
            ),
            hint=_cure(collection.stage, images[0]),
            evidence={"bucket_px": list(bucket), "images": images, "shown": shown, "batch_size": training.batch_size},
        )


def _buckets(collection: Collection) -> dict[Size, list[str]]:
    found: dict[Size, list[str]] = {}
    for image in trained_images(collection):
        facts = collection.facts(image)
        if min(facts.oriented_size_px) > 0:
            found.setdefault(fit(collection.context.training, facts.oriented_size_px).bucket_px, []).append(image)
    return found


def _cure(stage: str, image: str) -> str:
    crop = "crop it" if stage == FOLDER else f"dsk crop {split_path(image)[0]}"
    return f"{crop} to a shape that others have, set more repeats, or take a smaller batch"


RULE = Rule(
    code="D006",
    name="short-bucket",
    group="dataset",
    severity="warning",
    stages=TRAINED_STAGES,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("info", "trains a smaller batch", "library/train_util.py, BucketManager"),
        "onetrainer": Effect("warning", "leaves out what does not fill a batch, in every epoch"),
        "simpletuner": Effect(
            "error", "refuses the bucket", "simpletuner/helpers/metadata/backends/base.py, MetadataBackend"
        ),
        "ai-toolkit": Effect("info", "fills the batch by repeating images", "toolkit/dataloader_mixins.py"),
        "diffusion-pipe": Effect("warning", "leaves the bucket out after a warning", "utils/dataset.py"),
    },
)

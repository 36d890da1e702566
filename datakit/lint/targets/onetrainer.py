"""OneTrainer, with its data pipeline mgds.

Read: Nerogar/OneTrainer, modules/util/path_util.py (extensions), modules/util/config/ConceptConfig.py
(include_subdirectories is off), modules/dataLoader/StableDiffusionXLBaseDataLoader.py (77 tokens with the marks);
Nerogar/mgds, src/mgds/pipelineModules/CollectPaths.py (case), LoadMultipleTexts.py (every line that is not blank is a
variant), LoadImage.py (EXIF, RGB), InlineAspectBatchSorting.py (a bucket that never fills a batch trains nothing).

Some versions do not list AVIF, so it is not counted.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="onetrainer",
    title="OneTrainer",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff"}),
    reads_subfolders=False,
    lines="variants",
    applies_exif=True,
    alpha="dropped",
    max_tokens=75,
    drops_short_buckets=True,
)

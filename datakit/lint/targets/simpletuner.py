"""SimpleTuner, images of a `local` backend with the caption strategy `textfile`.

Read: bghira/SimpleTuner, simpletuner/helpers/training/__init__.py (every extension that Pillow opens),
simpletuner/helpers/data_backend/local.py (list_files: glob patterns in lower case, recursive),
simpletuner/helpers/image_manipulation/load.py (alpha), simpletuner/helpers/prompts.py (lines).

`.PNG` matches none of its patterns where file names have case, that is on Linux. JPEG XL needs a plugin, so it is not
counted. What it lays below transparency is decided in a library whose source was not read.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="simpletuner",
    title="SimpleTuner",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp", "gif", "avif", "tif", "tiff"}),
    upper_case_extensions=False,
    mixed_case_extensions=False,
    reads_subfolders=True,
    lines="variants",
    applies_exif=True,
    alpha="unknown",
    max_tokens=75,
    drops_short_buckets=True,
)

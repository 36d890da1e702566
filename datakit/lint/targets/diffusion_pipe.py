"""diffusion-pipe of tdrussell.

Read: tdrussell/diffusion-pipe, utils/dataset.py (files of one folder, captions, batches), models/base.py (alpha),
models/sdxl.py (tokens).

Every file that is no caption, cache or list is taken for media, whatever its case, and left out with a warning where
Pillow cannot open it. Captions of any length train: CLIP's chunks of 75 are encoded one by one. Of a bucket, what does
not fill a batch is left out.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="diffusion-pipe",
    title="diffusion-pipe",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp", "gif", "avif", "tif", "tiff"}),
    reads_subfolders=False,
    lines="all",
    applies_exif=False,
    alpha="white",
    max_tokens=1_000_000,
    drops_short_buckets=True,
)

"""naifu of Mikubill, a folder of images with data.bucket.AspectRatioDataset.

Read: Mikubill/naifu, data/image_storage.py (DirectoryImageStore: extensions, captions, alpha) and data/bucket.py
(batches).

Extensions count in lower case alone. The caption extension is the setting label_ext, `.txt` unless changed; the whole
file is the prompt. White lies below an RGBA image; a palette with a transparent colour loses it. The last batch of a
bucket may be smaller.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="naifu",
    title="naifu",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff"}),
    upper_case_extensions=False,
    mixed_case_extensions=False,
    reads_subfolders=True,
    lines="all",
    applies_exif=False,
    alpha="white",
    max_tokens=225,
    drops_short_buckets=False,
)

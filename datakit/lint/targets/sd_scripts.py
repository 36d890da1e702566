"""sd-scripts of kohya-ss, and what starts it: kohya_ss, LoRA Easy Training Scripts.

Read: kohya-ss/sd-scripts 48d368f (February 2026), library/train_util.py (IMAGE_EXTENSIONS, glob_images, read_caption,
load_image), library/strategy_base.py (chunks of 75 tokens).

Extensions are compared as written, in lower and in upper case alone: `.Png` is not seen. AVIF and JPEG XL are read
only where a plugin of Pillow is installed, so they are not counted. The caption extension is `.caption` unless a
setting says otherwise; what people set, and what dsk's export writes, is `.txt`. A batch of a bucket may be smaller
than the others.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="sd-scripts",
    title="sd-scripts",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp"}),
    mixed_case_extensions=False,
    caption_extensions=("txt", "caption"),
    reads_subfolders=False,
    lines="first",
    applies_exif=False,
    alpha="dropped",
    max_tokens=225,
    drops_short_buckets=False,
)

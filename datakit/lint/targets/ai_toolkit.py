"""ai-toolkit of ostris.

Read: ostris/ai-toolkit, toolkit/data_loader.py (extensions in any case, os.walk over all folders),
toolkit/dataloader_mixins.py (captions: the whole file), toolkit/buckets.py.

The caption extension is the setting caption_ext, `txt` unless changed. A short batch is filled up by repeating.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="ai-toolkit",
    title="ai-toolkit",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp"}),
    reads_subfolders=True,
    lines="all",
    applies_exif=True,
    alpha="dropped",
    max_tokens=75,
    drops_short_buckets=False,
)

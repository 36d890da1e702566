"""The trainer of this very project, as `dsk bake` starts it.

Read: trainer/data/items.py (which files), trainer/data/caption_files.py (which line), trainer/data/decoding.py (EXIF,
alpha), trainer/data/sampler.py (batches), trainer/families/_clip_text.py (chunks); tests/lint/test_lint_targets.py
runs them.

The caption extension is `.caption` unless the dataset TOML says otherwise; dsk's export says `.txt`. Captions of any
length train: a chunk of 75 tokens ends behind a comma where a tag would not fit whole.
"""

from datakit.lint.targets.model import Target

TARGET = Target(
    name="dsk",
    title="dsk",
    image_extensions=frozenset({"png", "jpg", "jpeg", "webp", "bmp", "avif"}),
    caption_extensions=("txt", "caption"),
    reads_subfolders=False,
    lines="first",
    applies_exif=True,
    alpha="white",
    max_tokens=1_000_000,
    drops_short_buckets=False,
)

"""What Hugging Face datasets reads: read_datasets.py CACHE MODE PATH, with MODE folder, imagefolder, rows or parquet.

Prints each split's rows as JSON: an image as its mode, size and the sha256 of its pixels.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any


def main(cache: str, mode: str, path: str) -> None:
    """Prints the splits and their features."""
    os.environ |= {"HF_HOME": cache, "HF_HUB_OFFLINE": "1"}
    import datasets

    datasets.disable_progress_bars()
    if mode == "folder":
        found = datasets.load_dataset(path)
    elif mode == "imagefolder":
        found = datasets.load_dataset("imagefolder", data_dir=path)
    elif mode == "rows":  # as diffusers' scripts do
        found = datasets.load_dataset("imagefolder", data_files={"train": f"{path}/**"})
    else:
        found = datasets.load_dataset(mode, data_dir=path)
    splits = {name: [{key: shown(value) for key, value in row.items()} for row in found[name]] for name in found}
    features = {name: {key: str(kind) for key, kind in found[name].features.items()} for name in found}
    print(json.dumps({"version": datasets.__version__, "splits": splits, "features": features}))


def shown(value: Any) -> Any:
    """A value as JSON."""
    if hasattr(value, "tobytes"):
        return [value.mode, list(value.size), hashlib.sha256(value.tobytes()).hexdigest()]
    return value


if __name__ == "__main__":
    main(*sys.argv[1:])

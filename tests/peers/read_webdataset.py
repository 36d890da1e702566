"""What webdataset reads: read_webdataset.py SHARD…; prints each sample's fields, an image as read_datasets.py does."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

from read_datasets import shown


def main(*shards: str) -> None:
    """Prints the samples."""
    import webdataset

    found = webdataset.WebDataset(list(shards), shardshuffle=False).decode("pil")
    samples = [{key: shown(value) for key, value in sample.items()} for sample in found]
    print(json.dumps({"version": version("webdataset"), "samples": samples}))


if __name__ == "__main__":
    main(*sys.argv[1:])

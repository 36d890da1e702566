"""Folders called `10_miku`: kohya's repeats, then the concept; whatever else lies beside the images in them.

Facts: kohya-ss/sd-scripts:library/config_util.py.
"""

from __future__ import annotations

import re
from typing import Any, Final

_REPEATS: Final = re.compile(r"([1-9][0-9]{0,2})_(.*\S.*)")
"""Four digits are a year, and zeros in front number a series."""
_REG: Final = frozenset({"reg", "regs", "reg_images", "regularization", "regularisation", "reg_data"})


def repeats_of(name: str) -> tuple[int, str] | None:
    """(repeats, class tokens) of a folder's name; None for any other name."""
    found = _REPEATS.fullmatch(name)
    return (int(found[1]), found[2].strip()) if found else None


def facts_of_folder(path: str) -> dict[str, Any]:
    """What a folder's path says of the images directly in it, for `upstream`; {} where it has no repeats."""
    *around, name = path.split("/")
    found = repeats_of(name)
    if found is None:
        return {}
    is_reg = any(part.lower() in _REG for part in around)
    return {"repeats": found[0], "class_tokens": found[1], **({"is_reg": True} if is_reg else {})}

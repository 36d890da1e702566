"""One thread, whatever the computer: several tests run at once, and the numbers in golden/ were made so."""

from __future__ import annotations

import os
import sys

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Also after a test that asked for more."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)

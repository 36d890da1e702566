"""Two threads, whatever the computer: the numbers in golden/ were made so."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")
# Read when torch loads: threads that spin while they wait starve everything else that runs.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

"""JSON for trainers that read it in the encoding of the system."""

from __future__ import annotations

import json
from typing import Any


def ascii_json(value: Any) -> bytes:
    """Two blanks deep, with a final newline; what is not ASCII is escaped."""
    return f"{json.dumps(value, indent=2)}\n".encode()

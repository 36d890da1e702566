"""Bakes as their ledger files have them, without anything being baked; shared by tests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from datakit.actions.bakes.ledger import LEDGER, Bake, encode
from datakit.actions.project import Project
from datakit.exports.model import Manifest
from datakit.repo.operations.transaction import transaction

OLD = """\
id = "2026-01-01-001"
commit = "{commit}"
lora = ".dsk/bakes/2026-01-01-001/2026-01-01-001.safetensors"
grid = ".dsk/bakes/2026-01-01-001/samples/before-after.png"
images = 5
steps = 30
first_loss = 1.5
final_loss = 1
seconds = 12.0
device = "cpu"

[config.train]
steps = 30

[versions]
torch = "2.6.0"
"""
"""A ledger file as the first versions wrote it."""


def enter(project: Project, **facts: Any) -> Bake:
    """A bake in the ledger, committed as `dsk bake` does it."""
    usual = {"commit": "a" * 40, "images": 5, "steps": 30, "first_loss": 1.5, "final_loss": 1.0}
    number = len(list((project.dataset.root / "bakes").glob("*"))) + 1
    name = facts.pop("id", f"2026-02-0{number}-001")
    lora = f".dsk/bakes/{name}/{name}.safetensors"
    done = Bake(**{"id": name, "lora": lora, "seconds": 12.5, "device": "cpu", **usual, **facts})
    with transaction(project.dataset, "bake", {"id": name}) as txn:
        txn.put(LEDGER.format(name), encode(done).encode())
        txn.commit(f"bake: {name}")
    return done


def of_export(root: Path, manifest: Manifest) -> dict[str, str]:
    """The facts that name the export that stands in the dataset."""
    data = (root / "export/kohya/manifest.json").read_bytes()
    return {"commit": manifest.commit, "manifest_sha256": hashlib.sha256(data).hexdigest()}

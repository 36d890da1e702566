"""The machine line: a vendor branch of what the stages' functions made, beside what people made of it.

Its commits hold, for each stage, the function's tree (`<stage>`) and the trees that the function read
(`inputs/<stage>/<source>`). The stage's lock names them: the one is the base of the next merge, the others tell what
changed since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from datakit.repo.dataset import Dataset
from datakit.repo.oplog import encode_commit, message
from datakit.store.objects import TREE_MODE, Entry

INPUTS: Final = "inputs"


def machine_commit(
    dataset: Dataset,
    parents: Sequence[bytes],
    made: Mapping[str, tuple[bytes | None, Mapping[str, str]]],
    *,
    subject: str,
    stage: str = "",
) -> bytes:
    """Keep a commit of the machine line for the next flush; returns its id.

    `made` has, for each stage that is new, the function's tree and the trees that it read (stage → 40 hex digits, as
    in the lock); the other stages stay as in the first parent.
    """
    objects = dataset.objects
    tree = dataset.tree_of(parents[0]) if parents else None
    lines = objects.tree(tree) if tree else {}
    old = lines.get(INPUTS)
    inputs = objects.tree(old.oid) if old else {}
    for name, (auto, read) in made.items():
        lines.pop(name, None)
        if auto is not None:
            lines[name] = Entry(TREE_MODE, auto)
        sources = {source: Entry(TREE_MODE, bytes.fromhex(oid)) for source, oid in read.items() if oid}
        inputs[name] = Entry(TREE_MODE, objects.put_tree(sources))
    lines[INPUTS] = Entry(TREE_MODE, objects.put_tree(inputs))
    text = message(f"machine: {subject}", {"Stage": stage})
    return objects.put("commit", encode_commit(dataset, objects.put_tree(lines), list(parents), text))

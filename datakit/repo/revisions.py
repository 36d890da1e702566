"""Which commit a person means."""

from __future__ import annotations

import pygit2

from datakit.errors import UsageError
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.store.objects import find

_LISTED = "dsk log lists the commits"


def resolve_revision(dataset: Dataset, word: str, *, hint: str = _LISTED) -> bytes:
    """Id of the commit that `word` names: a branch, a tag, the beginning of an id, `HEAD~2`, or a bake's id.

    `hint` says where to look for what it may be.

    Raises:
        UsageError: it names none, or no commit.
    """
    try:
        found = dataset.repo.revparse_single(word)
        return bytes(found.peel(pygit2.Commit).id.raw)
    except KeyError:
        pass
    except (ValueError, pygit2.GitError, pygit2.InvalidSpecError) as error:
        raise UsageError(f"'{word}': {error}", hint=hint) from error
    baked = _of_bake(dataset, word)
    if baked is not None:
        return baked
    like = nearest(word, list(dataset.repo.branches.local))
    raise UsageError(f"no revision '{word}'", hint=f"did you mean '{like}'?" if like else hint)


def _of_bake(dataset: Dataset, word: str) -> bytes | None:
    """The dataset's commit that a bake of the ledger was made from."""
    import tomllib

    tree = dataset.head_tree
    entry = find(dataset.objects, tree, f"bakes/{word}.toml") if tree and "/" not in word else None
    if entry is None:
        return None
    commit = str(tomllib.loads(dataset.objects.read(entry.oid).decode("utf-8", "replace")).get("commit", ""))
    return bytes.fromhex(commit) if len(commit) == 40 else None

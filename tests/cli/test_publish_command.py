"""dsk publish: a card, a folder, and a push to a hub on this computer, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from actions.dataset_hub import TOKEN, Kept, serve

from datakit.actions.project import Project
from datakit.actions.publishing import is_edited

Dsk = Callable[..., subprocess.CompletedProcess[str]]
Env = dict[str, str]
REPO = "ann/pictures"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[Env, Kept]]:
    """(environment of somebody who is logged in, what the hub holds)."""
    with serve() as (address, kept):
        env = {
            "HF_ENDPOINT": address,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",  # Xet stores elsewhere than in the hub
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(tmp_path / "hf"),
            "NO_PROXY": "*",
        }
        yield env, kept


def of_folder(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_push_nothing_is_sent(dsk: Dsk, advanced: Project, hub: tuple[Env, Kept]) -> None:
    env, kept = hub
    done = dsk(advanced.dataset.root, "publish", "--repo", REPO, env=env)
    assert done.returncode == 0, done.stderr
    assert "nothing was sent: dsk publish --push sends it to ann/pictures" in done.stdout
    assert "train/: 6 files" in done.stdout
    assert kept.asked == []
    card = Path(done.stdout.partition("card: ")[2].splitlines()[0])
    assert card.is_relative_to(advanced.dataset.private)
    assert not is_edited(card.read_text("utf-8"))
    assert "names no licence" in done.stderr


def test_a_push_makes_a_private_repository_of_the_same_files(
    dsk: Dsk, advanced: Project, hub: tuple[Env, Kept], tmp_path: Path
) -> None:
    env, kept = hub
    root = advanced.dataset.root
    done = dsk(root, "publish", "--repo", "pictures", "--push", "--to", str(tmp_path / "out"), "--json", env=env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["repo"], told["pushed"]["is_new"], kept.private) == (REPO, True, {REPO: True})
    held = {name: data for name, data in kept.repos[REPO].items() if name != ".gitattributes"}
    assert held == of_folder(tmp_path / "out")
    assert held.keys() == told["files"].keys()
    assert [message.rpartition(": ")[2] for message in kept.messages][::2] == ["begun", "complete"]
    assert 'load_dataset("ann/pictures")' in held["README.md"].decode()


def test_what_somebody_put_beside_an_export_is_not_pushed(
    dsk: Dsk, advanced: Project, hub: tuple[Env, Kept], tmp_path: Path
) -> None:
    env, kept = hub
    root, out = advanced.dataset.root, tmp_path / "out"
    assert dsk(root, "publish", "--repo", REPO, "--to", str(out), env=env).returncode == 0
    (out / "train/secret [1].txt").write_text("mine")
    (out / "train/latents.npz").write_bytes(b"mine")
    done = dsk(root, "publish", "--repo", REPO, "--push", "--to", str(out), "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert kept.repos[REPO].keys() - {".gitattributes"} == json.loads(done.stdout)["files"].keys()
    assert (out / "train/secret [1].txt").read_text() == "mine"


def test_a_push_again_removes_what_is_gone_and_leaves_no_folder(
    dsk: Dsk, advanced: Project, hub: tuple[Env, Kept]
) -> None:
    env, kept = hub
    root = advanced.dataset.root
    beside = sorted(root.parent.iterdir())
    assert dsk(root, "publish", "--repo", REPO, "--push", env=env).returncode == 0
    assert "train/beth/danbooru_0.png" in kept.repos[REPO]
    kept.repos[REPO]["notes.txt"] = b"mine"
    refused = dsk(root, "publish", "--repo", REPO, "--push", env=env)
    assert refused.returncode == 8
    assert "holds files that dsk did not write: notes.txt" in refused.stderr
    assert dsk(root, "drop", "wip/beth/danbooru_0", "--reason", "ugly").returncode == 0
    done = dsk(root, "publish", "--repo", REPO, "--push", "--force", env=env)
    assert done.returncode == 0, done.stderr
    assert "1 files removed" in done.stdout
    assert "train/beth/danbooru_0.png" not in kept.repos[REPO]
    assert kept.repos[REPO]["notes.txt"] == b"mine"
    assert b"danbooru_0.png" not in kept.repos[REPO]["train/metadata.jsonl"].split(b"beth/")[-1]
    assert [path for path in sorted(root.parent.iterdir()) if path.name != "hf"] == beside


def test_a_push_that_was_interrupted_goes_on(dsk: Dsk, advanced: Project, hub: tuple[Env, Kept]) -> None:
    env, kept = hub
    assert dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env).returncode == 0
    whole = dict(kept.repos[REPO])
    for name in ("manifest.json", "train/metadata.jsonl", "train/aria/danbooru_1.png"):
        del kept.repos[REPO][name]
    done = dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env)
    assert done.returncode == 0, done.stderr
    assert kept.repos[REPO] == whole
    kept.repos[REPO] = {"README.md": b"# Of somebody else", "train/aria/danbooru_1.png": b"an image"}
    refused = dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env)
    assert refused.returncode == 8
    assert kept.repos[REPO]["README.md"] == b"# Of somebody else"


def test_a_card_that_was_edited_on_the_hub_stays(dsk: Dsk, advanced: Project, hub: tuple[Env, Kept]) -> None:
    env, kept = hub
    assert dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env).returncode == 0
    kept.repos[REPO]["README.md"] += b"\nWritten by Ann.\n"
    edited = kept.repos[REPO]["README.md"]
    done = dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env)
    assert done.returncode == 0, done.stderr
    assert "README.md was edited on the hub" in done.stderr
    assert kept.repos[REPO]["README.md"] == edited


@pytest.mark.parametrize(
    ("words", "changes", "code", "told"),
    [
        (("--push",), {}, 2, "no repository to push to"),
        (("--push", "--repo", "a/b/c"), {}, 2, "'a/b/c' is no name of a repository"),
        (("--push", "--repo", REPO), {"HF_TOKEN": ""}, 8, "nobody is logged in"),
        (("--push", "--repo", REPO), {"HF_TOKEN": "hf_other"}, 8, "the hub refuses"),
        (("--push", "--repo", REPO), {"HF_ENDPOINT": "http://127.0.0.1:1"}, 8, "the hub cannot be reached"),
        (("--where", "nothing_has_this"), {}, 8, "nothing to export"),
    ],
)
def test_what_stands_in_the_way_is_said(
    dsk: Dsk,
    advanced: Project,
    hub: tuple[Env, Kept],
    words: tuple[str, ...],
    changes: Env,
    code: int,
    told: str,
) -> None:
    env, kept = hub
    done = dsk(advanced.dataset.root, "publish", *words, env={**env, **changes})
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert kept.repos == {}


def test_no_right_to_write(dsk: Dsk, advanced: Project, hub: tuple[Env, Kept]) -> None:
    env, kept = hub
    kept.may_write = False
    done = dsk(advanced.dataset.root, "publish", "--repo", REPO, "--push", env=env)
    assert done.returncode == 8
    assert "a token with the right to write there" in done.stderr

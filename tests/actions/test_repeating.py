"""dsk bake --repeat: the data of then, whatever the folders are now; and the same weights, bit for bit."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import msgspec
import pytest
from baked import enter, of_export
from hands import again, all_files

from datakit.actions.advancing import advance
from datakit.actions.bakes.ledger import Bake, find_bake
from datakit.actions.bakes.making import DATA, current_manifest, folder_of
from datakit.actions.bakes.repeating import job_again, judged
from datakit.actions.exporting.writing import export_format
from datakit.actions.project import Project
from datakit.errors import StateError
from datakit.repo.operations.transaction import save_hand_edits

Dsk = Callable[..., "CompletedProcess[str]"]
SETTINGS = """\
[export.kohya]
resolution = 64
bucket_reso_steps = 16
min_bucket_reso = 32
max_bucket_reso = 128
[bake.train]
steps = 5
seed = 3
[bake.sample]
steps = 1
prompts = ["1girl"]
"""


def baked_then_changed(advanced: Project, settings: str = "") -> tuple[Bake, dict[str, bytes]]:
    """A bake of the ledger, and the export's files as they were; the dataset then goes on."""
    root = advanced.dataset.root
    if settings:
        (root / "dsk.toml").write_text(settings)
    advance(again(advanced))
    export_format(again(advanced), "kohya")
    project = again(advanced)
    resolved = {"train": {"steps": 5, "seed": 3}, "model": {"base": "x.safetensors"}, "dataset": {"cache": "old"}}
    asked = {"model": {"base": "bases/x.safetensors"}}
    facts = of_export(root, current_manifest(project))
    done = enter(project, **facts, config=asked, resolved=resolved, weights_sha256="a" * 64)
    before = all_files(root / "export")
    change(again(project))
    return done, before


def change(project: Project) -> None:
    root = project.dataset.root
    (root / "wip/aria/danbooru_0.txt").write_text("1girl, quite other")
    for path in (root / "wip/beth").glob("danbooru_1.*"):
        path.unlink()
    advance(project)
    export_format(again(project), "kohya")


def filled(project: Project, done: Bake) -> Path:
    """The folder of the data, as `dsk bake --repeat` has it before the trainer begins."""
    job = job_again(project, done)
    folder = folder_of(project, job) / DATA
    assert job.fill is not None
    job.fill(folder)
    return folder


def test_the_data_of_then_is_taken_out_of_the_history(advanced: Project) -> None:
    done, before = baked_then_changed(advanced)
    project = again(advanced)
    now, head = all_files(project.dataset.root), project.dataset.head
    folder = filled(project, done)
    made = {f"kohya/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*.*")}
    assert made == before
    assert all_files(project.dataset.root) == now
    assert project.dataset.head == head
    assert save_hand_edits(again(project).dataset) is None, "the work tree has no part in it"
    config = tomllib.loads((folder.parent / "config.toml").read_text())
    assert config["dataset"]["config"] == str(folder / "dataset.toml")
    assert config["train"] == {"steps": 5, "seed": 3}, "as it was resolved then"
    assert config["model"]["base"] == str(project.dataset.root / "bases/x.safetensors"), "as it was named then"
    assert config["dataset"]["cache"] != "old"


def test_what_is_there_is_not_written_again_and_what_is_damaged_is(advanced: Project) -> None:
    done, before = baked_then_changed(advanced)
    folder = filled(again(advanced), done)
    stats = {path: path.stat().st_ino for path in folder.rglob("*.*")}
    victim = next(iter(sorted(folder.glob("*/*.txt"))))
    victim.write_text("damaged")
    assert filled(again(advanced), done) == folder, "an interrupted one goes on in its folder"
    assert victim.read_bytes() == before[f"kohya/{victim.relative_to(folder).as_posix()}"]
    images = [path for path in stats if path.suffix == ".png"]
    assert images
    assert all(path.stat().st_ino == stats[path] for path in images)


def test_data_that_is_not_what_was_trained_on_is_named(advanced: Project) -> None:
    done, _ = baked_then_changed(advanced)
    dataset = again(advanced).dataset
    manifest = json.loads((dataset.root / "export/kohya/manifest.json").read_text())
    path = manifest["items"]["aria/danbooru_1"]
    stored = dataset.lfs.path(manifest["files"][path])
    stored.chmod(0o644)
    stored.write_bytes(b"x" * stored.stat().st_size)
    for item in dataset.root.glob("*/aria/danbooru_1.png"):
        item.unlink()  # nothing else to take it from
    for item in dataset.root.glob("export/kohya/*/danbooru_1.png"):
        item.unlink()
    with pytest.raises(StateError, match=f"not what was trained on: {path}"):
        filled(again(advanced), done)
    stored.unlink()
    with pytest.raises(StateError, match="not in this clone"):
        filled(again(advanced), done)


def test_absolute_paths_lead_into_the_folder_of_its_own(advanced: Project) -> None:
    done, _ = baked_then_changed(advanced, '[export.kohya]\nimage_dirs = "absolute"\n')
    folder = filled(again(advanced), done)
    subsets = tomllib.loads((folder / "dataset.toml").read_text())["datasets"][0]["subsets"]
    assert [one["image_dir"] for one in subsets] == ["1_aria", "1_beth"]


def test_a_bake_of_another_history_cannot_be_made_again(advanced: Project, dsk: Dsk) -> None:
    done = enter(advanced, manifest_sha256="0" * 64)
    with pytest.raises(StateError, match=f"bake {done.id}: the export that it was trained on is not in this history"):
        job_again(again(advanced), done)
    assert dsk(advanced.dataset.root, "bake", "--repeat", "none").returncode == 2
    told = dsk(advanced.dataset.root, "bake", "--repeat", done.id, "--set", "train.steps=5")
    assert "--repeat takes no --set" in told.stderr


def test_two_bakes_are_judged_by_their_weights(advanced: Project) -> None:
    first = enter(advanced, weights_sha256="a" * 64, versions={"torch": "2.6"}, resolved={"train": {"seed": 1}})
    same = judged(first, first)
    assert (same.is_same, same.differences) == (True, ())
    other = msgspec.structs.replace(
        first, weights_sha256="b" * 64, versions={"torch": "2.7"}, device="cuda", resolved={"train": {"seed": 2}}
    )
    told = judged(first, other)
    assert told.is_same is False
    assert [(one.name, one.before, one.after) for one in told.differences] == [
        ("device", "cpu", "cuda"), ("versions.torch", "2.6", "2.7"), ("train.seed", 1, 2)
    ]  # fmt: skip
    by_two = judged(first, msgspec.structs.replace(first, weights_sha256="b" * 64, processes=2))
    assert [(one.name, one.before, one.after) for one in by_two.differences] == [("processes", 1, 2)]
    old = msgspec.structs.replace(first, weights_sha256="")
    assert judged(old, first).is_same is None


@pytest.mark.slow
def test_a_repeated_bake_gives_the_same_weights(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text(SETTINGS)
    advance(again(advanced))
    first = json.loads(dsk(root, "bake", "--json", "--note", "first").stdout)
    assert (first["steps"], first["seed"], first["note"]) == (5, 3, "first")
    assert len(first["weights_sha256"]) == 64
    change(again(advanced))
    (root / "dsk.toml").write_text(SETTINGS.replace("seed = 3", "seed = 4"))
    (root / "wip/aria/danbooru_2.txt").write_text("by hand")
    done = dsk(root, "bake", "--repeat", first["id"])
    assert done.returncode == 0, done.stderr
    assert f"the same weights as {first['id']}, bit for bit" in done.stdout
    second = find_bake(again(advanced))
    assert (second.repeats, second.weights_sha256) == (first["id"], first["weights_sha256"])
    assert (root / "wip/aria/danbooru_2.txt").read_text() == "by hand"
    assert (root / "wip/aria/danbooru_0.txt").read_text() == "1girl, quite other"
    traced = json.loads(dsk(root, "trace", str(root / second.lora), "--json").stdout)
    assert traced["origin"]["bake"] == second.id
    assert len(traced["origin"]["images"]) == 5
    hard = json.loads(dsk(root, "bakes", "losses", first["id"], "--json").stdout)
    assert {one["item"] for one in hard} <= set(traced["origin"]["images"])

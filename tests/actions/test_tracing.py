"""Where a .safetensors file came from: ours, other trainers', and files that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from baked import enter
from hands import again
from hypothesis import given
from hypothesis import strategies as st

from datakit.actions.bakes.headers import read_header
from datakit.actions.bakes.tracing import trace
from datakit.actions.project import Project
from datakit.errors import InputError

Dsk = Callable[..., "CompletedProcess[str]"]
FOREIGN = {
    "ss_sd_scripts_commit_hash": "0" * 36 + "abcd",
    "ss_output_name": "aria",
    "ss_network_module": "networks.lora",
    "ss_network_dim": "16",
    "ss_network_alpha": "8.0",
    "ss_steps": "1200",
    "ss_epoch": "10",
    "ss_learning_rate": "0.0001",
    "ss_unet_lr": "None",
    "ss_optimizer": "bitsandbytes.optim.adamw.AdamW8bit",
    "ss_sd_model_name": "noobai.safetensors",
    "ss_new_sd_model_hash": "e" * 64,
    "ss_dataset_dirs": json.dumps({"5_aria": {"n_repeats": 5, "img_count": 40}}),
    "ss_tag_frequency": json.dumps({"5_aria": {f"tag {n}": 40 - n for n in range(20)}, "reg": {"tag 19": 30}}),
}


def write(path: Path, metadata: object, tensors: object = None, *, more: bytes = b"\0" * 64) -> Path:
    down = {"dtype": "F16", "shape": [4, 8], "data_offsets": [0, 64]}
    header = {"x.lora_down.weight": down} if tensors is None else tensors
    assert isinstance(header, dict)
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + more)
    return path


def ours(project: Project) -> dict[str, str]:
    data = (project.dataset.root / "export/kohya/manifest.json").read_bytes()
    import hashlib

    return {
        "ss_output_name": "2026-02-01-001",
        "ss_network_dim": "8",
        "dsk_dataset_commit": json.loads(data)["commit"],
        "dsk_manifest_sha256": hashlib.sha256(data).hexdigest(),
        "dsk_config": json.dumps({"train": {"steps": 30}}),
        "modelspec.implementation_version": "dsk/0.1.0",
    }


def test_ours_are_traced_to_bake_commit_and_images(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    told = ours(advanced)
    path = write(tmp_path / "renamed.safetensors", told)
    enter(advanced, id="2026-02-01-001", manifest_sha256=told["dsk_manifest_sha256"])
    found = trace(path, again(advanced))
    assert found.is_ours
    assert found.origin.is_known
    assert (found.origin.bake, found.commit) == ("2026-02-01-001", told["dsk_dataset_commit"])
    assert found.origin.images[:2] == ("aria/danbooru_0", "aria/danbooru_1")
    assert len(found.origin.images) == 5
    assert found.config == {"train": {"steps": 30}}
    root = advanced.dataset.root
    shown = dsk(root, "trace", str(path)).stdout
    assert "2026-02-01-001, in this ledger" in shown
    assert told["dsk_dataset_commit"][:10] in shown
    assert dsk(root, "trace", str(path), "--images").stdout.splitlines()[0] == "aria/danbooru_0"
    elsewhere = dsk(tmp_path, "trace", str(path))
    assert f"{told['dsk_dataset_commit']}, of a dataset that is not here" in elsewhere.stdout
    assert json.loads(dsk(tmp_path, "trace", str(path), "--json").stdout)["origin"]["images"] == []
    assert "not known here" in dsk(tmp_path, "trace", str(path), "--images").stderr


def test_a_commit_of_another_dataset_is_said_to_be_one(advanced: Project, tmp_path: Path, dsk: Dsk) -> None:
    tree = advanced.dataset.head_tree
    assert tree is not None
    for commit in ("c" * 40, tree.hex()):
        told = {**ours(advanced), "dsk_dataset_commit": commit, "dsk_manifest_sha256": "0" * 64}
        path = write(tmp_path / "x.safetensors", told)
        found = trace(path, again(advanced))
        assert (found.origin.is_known, found.origin.images, found.origin.bake) == (False, (), "")
    assert f"{commit}, not in this repository" in dsk(advanced.dataset.root, "trace", str(path)).stdout


def test_other_trainers_files_tell_what_they_tell(tmp_path: Path, dsk: Dsk) -> None:
    found = trace(write(tmp_path / "x.safetensors", FOREIGN))
    assert not found.is_ours
    assert found.trainer == "sd-scripts 0000000000"
    assert (found.rank, found.alpha, found.learning_rate) == ("16", "8.0", "0.0001")
    assert [(one.name, one.images, one.repeats) for one in found.folders] == [("5_aria", 40, 5)]
    assert list(found.tags.items())[:2] == [("tag 19", 51), ("tag 0", 40)]
    assert len(found.tags) == 10
    shown = dsk(tmp_path, "trace", "x.safetensors").stdout
    assert "noobai.safetensors sha256 eeee" in shown
    assert "5_aria: 40 images, 5 times" in shown
    bare = trace(write(tmp_path / "bare.safetensors", {}))
    assert (bare.rank, bare.trainer, bare.num_tensors) == ("4", "", 1)
    assert "says nothing of where it came from" in dsk(tmp_path, "trace", "bare.safetensors").stdout
    subsets = [{"image_dir": "b", "img_count": 3, "num_repeats": 2}, "odd"]
    told = {"ss_datasets": json.dumps([{"subsets": subsets}, 5])}
    assert [one.name for one in trace(write(tmp_path / "y.safetensors", told)).folders] == ["b"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"abc", "it has no header"),
        (b"PK\x03\x04" + b"\0" * 60, "a program in disguise"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs pointer"),
        ((1 << 40).to_bytes(8, "little") + b"{}", "it has no header"),
        ((2).to_bytes(8, "little") + b"[]", "no table"),
        ((3).to_bytes(8, "little") + b"{'a", "no JSON"),
        ((40_000).to_bytes(8, "little") + b"[" * 40_000, "no JSON"),
        ((24).to_bytes(8, "little") + b'{"__metadata__":{"a":1}}', "not as it should be"),
        ((16).to_bytes(8, "little") + b'{"x":{"dtype":5}', "no JSON"),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match=why):
        read_header(path)


def test_files_cut_short_and_huge_headers_are_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.safetensors", {}).read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[:20])
    with pytest.raises(InputError, match="cut short: its header is"):
        read_header(tmp_path / "half.safetensors")
    with pytest.raises(InputError, match="is a folder"):
        read_header(tmp_path)
    with pytest.raises(InputError, match="cut short"):
        trace(write(tmp_path / "x.safetensors", {}, more=b"\0" * 63))
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.write((200_000_000).to_bytes(8, "little"))
        file.truncate(300_000_000)
    with pytest.raises(InputError, match="200,000,000 bytes long"):
        read_header(path)
    with pytest.raises(InputError, match="No such file"):
        read_header(tmp_path / "none")


words = st.sampled_from([*FOREIGN, "dsk_config", "dsk_dataset_commit", "ss_datasets", "ss_network_args", "software"])


@given(
    st.dictionaries(words, st.text(max_size=40) | st.sampled_from(["[1]", "[[]]", '{"a": {"b": null}}', "[" * 5000]))
)
def test_no_words_of_a_header_make_it_crash(metadata: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = trace(write(Path(folder) / "x.safetensors", metadata))
    assert found.num_tensors == 1

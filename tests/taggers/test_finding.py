"""Where a tagger's files are found, what its digests depend on, and what is said when it is not here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import huggingface_hub
import msgspec
import pytest
from taggers import onnx_graphs as graphs

from datakit.errors import ConfigError, StateError
from datakit.taggers.fetching import fetch
from datakit.taggers.filedigests import cache_folder, sha256_of
from datakit.taggers.finding import MODELS_VARIABLE, Found, find_named, find_tagger, require
from datakit.taggers.labels import read_labels
from datakit.taggers.spec import Spec
from datakit.taggers.specfiles import load_spec

NAME = "wd-vit-tagger-v3"
COMMIT = "7f6b584d0bd3f55c4531f14ba3d4761b2bccdc0f"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No models from elsewhere, and digests remembered for this test alone."""
    for variable in (MODELS_VARIABLE, "HF_HOME", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "dataset"
    folder.mkdir()
    return folder


@pytest.fixture
def wd(tmp_path: Path) -> Path:
    return graphs.write_wd(tmp_path / "made" / "a tagger")


def put_into_hub(tmp_path: Path, wd: Path, *, revision: str = "main") -> Path:
    """As the hub's own client lays it out."""
    repository = tmp_path / "hub" / f"models--SmilingWolf--{NAME}"
    snapshot = repository / "snapshots" / COMMIT
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / revision).write_text(COMMIT, "utf-8")
    shutil.copytree(wd, snapshot)
    return snapshot


def test_nothing_here_says_which_commands_bring_it(root: Path) -> None:
    found = find_tagger(NAME, root=root)
    assert (found.model, found.labels, found.digest, found.uses) == (None, None, "", "")
    with pytest.raises(StateError, match=NAME) as raised:
        require(found)
    assert f"dsk taggers fetch {NAME}" in raised.value.hint
    wanted = f"hf download SmilingWolf/{NAME} model.onnx selected_tags.csv --local-dir models/{NAME}"
    assert wanted in raised.value.hint


def test_labels_of_another_repository_are_another_command(root: Path) -> None:
    with pytest.raises(StateError) as raised:
        require(find_tagger("ml-danbooru", root=root))
    assert "hf download deepghs/imgutils-models mldanbooru/mldanbooru_tags.csv" in raised.value.hint


def test_found_in_the_hubs_own_cache(tmp_path: Path, wd: Path, root: Path) -> None:
    snapshot = put_into_hub(tmp_path, wd)
    found = require(find_tagger(NAME, root=root))
    by_hub = huggingface_hub.try_to_load_from_cache(f"SmilingWolf/{NAME}", "model.onnx", cache_dir=tmp_path / "hub")
    assert str(found.model) == by_hub == str(snapshot / "model.onnx")
    assert found.labels == snapshot / "selected_tags.csv"
    assert find_tagger(f"SmilingWolf/{NAME}", root=root).name == NAME
    (tmp_path / "hub" / f"models--SmilingWolf--{NAME}" / "refs" / "main").write_text("../../..", "utf-8")
    assert not find_tagger(NAME, root=root).is_here


def test_found_in_the_models_folder_flat_or_as_downloaded(
    tmp_path: Path, wd: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MODELS_VARIABLE, str(tmp_path / "models"))
    shutil.copytree(wd, tmp_path / "models" / NAME)
    assert require(find_tagger(NAME, root=root)).model == tmp_path / "models" / NAME / "model.onnx"
    nested = tmp_path / "models" / "cl-tagger-1.02"
    (nested / "cl_tagger_1_02").mkdir(parents=True)
    shutil.copy(wd / "model.onnx", nested / "cl_tagger_1_02" / "model.onnx")
    (nested / "tag_mapping.json").write_text('{"0": {"tag": "a", "category": "General"}}', "utf-8")
    found = require(find_tagger("cl-tagger-1.02", root=root))
    assert (found.model, found.labels) == (nested / "cl_tagger_1_02" / "model.onnx", nested / "tag_mapping.json")


def test_a_folder_or_file_by_path(wd: Path, root: Path) -> None:
    by_folder, by_file = (require(find_tagger(str(path), root=root)) for path in (wd, wd / "model.onnx"))
    assert by_folder.model == by_file.model == wd / "model.onnx"
    assert by_folder.spec.thresholds == Spec().thresholds
    assert by_folder.digest == by_file.digest != ""
    assert by_folder.labels is not None
    assert len(read_labels(by_folder.labels, by_folder.spec.labels).names) == graphs.NUM_WD_TAGS


def test_a_relative_path_begins_at_the_dataset(wd: Path, root: Path) -> None:
    shutil.copytree(wd, root / "models" / "mine")
    assert find_tagger("models/mine", root=root).model == root / "models" / "mine" / "model.onnx"


def test_a_folder_of_a_known_name_is_that_tagger(tmp_path: Path, wd: Path, root: Path) -> None:
    shutil.copytree(wd, tmp_path / "elsewhere" / "wd-eva02-large-tagger-v3")
    found = find_tagger(str(tmp_path / "elsewhere" / "wd-eva02-large-tagger-v3"), root=root)
    assert found.spec.thresholds["general"] == 0.5296


@pytest.mark.parametrize(
    ("labels", "text", "like"),
    [
        ("tag_mapping.json", '{"0": {"tag": "a", "category": "General"}}', "cl-tagger-1.02"),
        ("top_tags.txt", "a\nb\n", "joytag"),
        ("tags-selected.csv", "id,name,category\n1,a,5\n", "z3d-e621-convnext"),
        ("camie-tagger-v2-metadata.json", '{"idx_to_tag": {"0": "a"}, "tag_to_category": {}}', "camie-tagger-v2"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "some_"])
def test_the_label_file_tells_the_kind(
    tmp_path: Path, wd: Path, root: Path, labels: str, text: str, like: str, prefix: str
) -> None:
    folder = tmp_path / "unknown"
    folder.mkdir()
    shutil.copy(wd / "model.onnx", folder / "some.onnx")
    (folder / f"{prefix}{labels}").write_text(text, "utf-8")
    found = require(find_tagger(str(folder), root=root))
    assert found.spec.input == load_spec(like, root).input
    assert found.labels is not None
    assert read_labels(found.labels, found.spec.labels).names[0] == "a"


def test_a_spec_beside_the_model_says_what_it_is(wd: Path, root: Path) -> None:
    (wd / "model.onnx").rename(wd / "own.onnx")
    (wd / "spec.toml").write_text('[files]\nmodel = "own.onnx"\n[thresholds]\ngeneral = 0.11\n', "utf-8")
    found = require(find_tagger(str(wd), root=root))
    assert (found.model, found.spec.thresholds) == (wd / "own.onnx", {"general": 0.11})
    (wd / "spec.toml").write_text("[inptu]\n", "utf-8")
    with pytest.raises(ConfigError, match="inptu"):
        find_tagger(str(wd), root=root)


def test_what_is_no_tagger_is_told(tmp_path: Path, wd: Path, root: Path) -> None:
    shutil.copy(wd / "model.onnx", wd / "second.onnx")
    (wd / "model.onnx").rename(wd / "first.onnx")
    empty = tmp_path / "empty"
    empty.mkdir()
    cases = {str(wd): "2 ONNX files", str(empty): "no ONNX file", "./none.onnx": "no such file", "wd-vit": "no tagger"}
    for asked, word in cases.items():
        with pytest.raises(ConfigError, match=word):
            find_tagger(asked, root=root)
    (wd / "selected_tags.csv").unlink()
    with pytest.raises(ConfigError, match="no labels beside it"):
        find_tagger(str(wd / "first.onnx"), root=root)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "a" * 300, "x/\0", "\ud83d/x"])
def test_odd_paths_are_told(root: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no tagger"):
        find_tagger(name, root=root)


@pytest.mark.skipif(os.name != "posix", reason="links to devices")
def test_a_spec_that_is_a_device_is_not_read(root: Path) -> None:
    (root / "vocab/taggers").mkdir(parents=True)
    (root / "vocab/taggers/zero.toml").symlink_to("/dev/zero")
    with pytest.raises(ConfigError, match="not a file"):
        find_tagger("zero", root=root)


def test_weights_outside_of_the_file_are_part_of_the_model(tmp_path: Path, wd: Path, root: Path) -> None:
    (wd / "spec.toml").write_text('[files]\nmore = ["model.onnx.data"]\n', "utf-8")
    lacking = find_tagger(str(wd), root=root)
    assert not lacking.is_here
    with pytest.raises(StateError, match="it is a path") as raised:
        fetch(lacking)
    assert "model.onnx.data" in raised.value.hint
    (wd / "model.onnx.data").write_bytes(b"1")
    first = require(find_tagger(str(wd), root=root)).digest
    (wd / "model.onnx.data").write_bytes(b"2")
    assert require(find_tagger(str(wd), root=root)).digest != first


def digests(wd: Path, spec: Spec) -> tuple[str, str]:
    """Through the models folder, with this spec."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(wd.parent))
        found: Found = find_named(wd.name, spec)
    return found.digest, found.uses


def test_scores_depend_on_model_input_and_output_and_captions_on_the_rest(wd: Path) -> None:
    spec = Spec()
    base = digests(wd, spec)
    assert all(base)
    change = msgspec.structs.replace
    scores_too = [
        change(spec, input=change(spec.input, pad="black")),
        change(spec, output=change(spec.output, index=1)),
    ]
    for other in scores_too:
        assert all(one != before for one, before in zip(digests(wd, other), base, strict=True))
    captions = [change(spec, thresholds={"general": 0.1}), change(spec, inclusive=True), change(spec, rating="none")]
    for other in captions:
        found = digests(wd, other)
        assert found[0] == base[0]
        assert found[1] != base[1]
    assert digests(wd, change(spec, summary="other", licence="mit")) == base
    with (wd / "selected_tags.csv").open("a", encoding="utf-8") as file:
        file.write("1,another,0,1\n")
    assert digests(wd, spec)[0] == base[0]
    assert digests(wd, spec)[1] != base[1]
    (wd / "model.onnx").write_bytes(graphs.graph(20))
    assert digests(wd, spec)[0] != base[0]


def test_a_digest_is_remembered_by_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"a" * 1000)
    before = time.time() - 3600
    os.utime(file, (before, before))
    first = sha256_of(file)
    stamp = file.stat()
    with file.open("r+b") as opened:
        opened.write(b"b" * 1000)
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert sha256_of(file) == first, "not read again"
    os.utime(file, (before + 1, before + 1))
    assert sha256_of(file) != first
    (cache_folder() / "digests.json").write_text("[broken", "utf-8")
    assert sha256_of(file) != first


def test_a_file_that_just_changed_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"a")
    sha256_of(file)
    assert not cache_folder().exists()


def test_looking_loads_neither_numpy_nor_the_hub(wd: Path, root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datakit.taggers.finding import find_tagger;"
        "find_tagger(sys.argv[1], root=Path(sys.argv[2]));"
        "print(*{name.partition('.')[0] for name in sys.modules} & {'numpy', 'onnxruntime', 'huggingface_hub'})"
    )
    done = subprocess.run([sys.executable, "-c", code, str(wd), str(root)], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()

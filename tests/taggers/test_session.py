"""Sessions: what they read from a model, what they refuse, and that a fixed batch changes nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx_graphs import CL, WD, graph, wd_rows, write_wd

from datakit.errors import ConfigError, InputError, StateError, UsageError
from datakit.taggers.finding import Found, find_tagger
from datakit.taggers.providers import VARIABLE, available, choose, told_provider
from datakit.taggers.scores import LEAST, pack, unpack
from datakit.taggers.session import Session, activate, default_batch


def found_in(folder: Path) -> Found:
    return find_tagger(str(folder), root=folder.parent)


def images(number: int, size_px: int = 448) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (number, size_px, size_px, 3)).astype(np.float32)


def with_spec(folder: Path, text: str) -> Found:
    (folder / "spec.toml").write_text(text)
    return found_in(folder)


def test_what_is_read_from_the_model(tmp_path: Path) -> None:
    session = Session(found_in(write_wd(tmp_path / "wd")))
    assert (session.size_px, session.fixed_batch, session.shape) == (448, 0, (448, 448, 3))
    assert session.provider == "cpu" if "CUDAExecutionProvider" not in available() else session.provider
    assert len(session.labels.names) == len(wd_rows())
    assert session.run(images(3)).shape == (3, len(wd_rows()))


@pytest.mark.parametrize("fixed", [1, 3])
def test_a_fixed_batch_gives_the_same_scores(tmp_path: Path, fixed: int) -> None:
    free = Session(found_in(write_wd(tmp_path / "free"))).run(images(4))
    session = Session(found_in(write_wd(tmp_path / "fixed", batch=fixed)))
    assert session.fixed_batch == default_batch(session) == fixed
    assert np.array_equal(session.run(images(4)), free)


def test_of_several_outputs_the_named_one_is_read(tmp_path: Path) -> None:
    folder = write_wd(tmp_path / "wd")
    outputs = dataclasses.replace(WD, outputs=("embedding", "logits", "prediction"))
    (folder / "model.onnx").write_bytes(graph(len(wd_rows()), outputs))
    logits = Session(with_spec(folder, '[output]\nname = "logits"\nactivation = "sigmoid"\n')).run(images(2))
    by_name = Session(with_spec(folder, '[output]\nname = "prediction"\n')).run(images(2))
    by_index = Session(with_spec(folder, "[output]\nindex = 2\n")).run(images(2))
    assert np.array_equal(by_name, by_index)
    assert np.allclose(logits, by_name, atol=1e-6)
    for text in ('[output]\nname = "scores"\n', "[output]\nindex = 3\n"):
        with pytest.raises(InputError, match="it has embedding, logits, prediction"):
            Session(with_spec(folder, text))
    with pytest.raises(InputError, match="192"):
        Session(with_spec(folder, '[output]\nname = "embedding"\n'))


@pytest.mark.parametrize("data", [b"", b"no model", b"\x08\x07\x12\x04"])
def test_a_broken_model_is_named(tmp_path: Path, data: bytes) -> None:
    folder = write_wd(tmp_path / "wd")
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(InputError, match=r"model\.onnx"):
        Session(found_in(folder))


def test_a_cut_model_is_named(tmp_path: Path) -> None:
    folder = write_wd(tmp_path / "wd")
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:-5000])
    with pytest.raises(InputError, match="no model that onnxruntime can load"):
        Session(found_in(folder))


def test_labels_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = write_wd(tmp_path / "wd")
    labels = folder / "selected_tags.csv"
    labels.write_text("\n".join(labels.read_text("utf-8").splitlines()[:-1]), "utf-8")
    with pytest.raises(InputError, match=f"{len(wd_rows()):,} scores, and .* names {len(wd_rows()) - 1:,}"):
        Session(found_in(folder))


def test_another_layout_or_size_is_refused(tmp_path: Path) -> None:
    folder = write_wd(tmp_path / "wd")
    with pytest.raises(InputError, match="448 colour channels"):
        Session(with_spec(folder, '[input]\nlayout = "nchw"\n'))
    with pytest.raises(InputError, match="not squares of 512 px"):
        Session(with_spec(folder, "[input]\nsize_px = 512\n"))
    (folder / "model.onnx").write_bytes(graph(len(wd_rows()), CL))
    assert Session(with_spec(folder, '[input]\nlayout = "nchw"\n')).shape == (3, 448, 448)


def test_missing_files_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("DSK_MODELS", raising=False)
    with pytest.raises(StateError) as caught:
        Session(find_tagger("wd-vit-tagger-v3", root=tmp_path))
    assert "dsk taggers fetch wd-vit-tagger-v3" in caught.value.hint


def test_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_in(write_wd(tmp_path / "wd"))
    assert Session(found, provider="cpu").provider == "cpu"
    monkeypatch.setenv(VARIABLE, "cpu")
    assert choose() == ["cpu"]
    with told_provider("cpu"):
        assert choose() == ["cpu"]
    with pytest.raises(UsageError) as caught, told_provider("cdua"):
        pass
    assert "cuda" in caught.value.hint
    missing = "coreml" if "CoreMLExecutionProvider" not in available() else "directml"
    with pytest.raises(UsageError, match="cannot use it here"):
        Session(found, provider=missing)
    monkeypatch.setenv(VARIABLE, missing)
    with pytest.raises(UsageError, match=f"{VARIABLE}={missing}"):
        Session(found)


def test_a_batch_that_is_no_number_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(found_in(write_wd(tmp_path / "wd")))
    monkeypatch.setenv("DSK_BATCH", "7")
    assert default_batch(session) == 7
    monkeypatch.setenv("DSK_BATCH", "many")
    with pytest.raises(UsageError, match="DSK_BATCH=many"):
        default_batch(session)


def test_activations_do_not_overflow() -> None:
    scores = np.array([[-1000.0, 0.0, 1000.0]], np.float32)
    assert activate(scores, "sigmoid").tolist() == [[0.0, 0.5, 1.0]]
    assert activate(scores, "softmax").tolist() == [[0.0, 0.0, 1.0]]
    assert activate(scores, "none") is scores


def test_any_size_needs_a_spec(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    folder = write_wd(tmp_path / "wd")
    nodes = [helper.make_node("ReduceMean", ["x"], ["y"], axes=[1, 2], keepdims=0)]
    made = helper.make_graph(
        nodes,
        "any",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "k"])],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ConfigError, match="images of any size"):
        Session(found_in(folder))
    with pytest.raises(InputError, match="gives 3 scores"):
        Session(with_spec(folder, "[input]\nsize_px = 16\n")).run(images(1, 16))


@given(st.lists(st.floats(0, 1, width=32), max_size=300))
def test_packed_scores_come_back(scores: list[float]) -> None:
    array = np.array(scores, np.float32)
    assert np.array_equal(unpack(pack(array), len(array)), np.where(array >= LEAST, array, 0))


def test_many_labels_take_wider_indices() -> None:
    array = np.zeros(70_000, np.float32)
    array[69_999] = 0.5
    assert unpack(pack(array), 70_000)[69_999] == 0.5


@given(st.binary(max_size=40))
def test_bytes_that_are_no_scores_are_refused(data: bytes) -> None:
    try:
        found = unpack(data, 10)
    except ValueError:
        return
    assert len(found) == 10

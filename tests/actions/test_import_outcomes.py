"""Every outcome of an import: nothing overwritten, nothing lost, everything told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.importing import Wishes, import_folder
from datakit.actions.project import Project
from datakit.errors import InputError, UsageError
from datakit.model.record import decode_record


def picture(path: Path, colour: str = "red", mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (300, 280), colour).save(path)
    return path


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def raw(project: Project) -> dict[str, bytes]:
    folder = project.dataset.root / "raw"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_bytes_caption_and_metadata_arrive_and_the_source_is_only_read(empty: Project, tmp_path: Path) -> None:
    source = tmp_path / "scrape"
    image = picture(source / "aria/x.png")
    write(source / "aria/x.txt", "1girl, hat")
    post = {"category": "danbooru", "id": 7, "md5": "AB", "rating": "s", "score": "12", "parent_id": None,
            "tag_string_general": "1girl &gt;_&lt;", "created_at": "2025-01-01"}  # fmt: skip
    write(source / "aria/x.png.json", json.dumps(post))
    before = {path: path.read_bytes() for path in source.rglob("*.*")}
    report = import_folder(empty, source)
    assert report.recognised == {"gallery_dl": 1}
    assert report.sites == {"danbooru": 1}
    assert report.concepts == {"aria": 1}
    assert raw(empty)["aria/x.png"] == image.read_bytes()
    assert raw(empty)["aria/x.txt"] == b"1girl, hat"
    record = decode_record(raw(empty)["aria/x.json"], path="x")
    assert (record.site, record.post_id, record.md5, record.rating, record.score) == (
        "danbooru", "7", "ab", "sensitive", 12,
    )  # fmt: skip
    assert record.tags == {"general": ("1girl", ">_<")}
    assert record.upstream == post
    assert record.size_px == (300, 280)
    assert {path: path.read_bytes() for path in source.rglob("*.*")} == before


def test_a_second_import_adds_nothing(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/aria/x.png")
    write(tmp_path / "s/aria/x.txt", "hat")
    write(tmp_path / "s/aria/lost.txt", "an orphan")
    import_folder(empty, tmp_path / "s")
    before, head = raw(empty), empty.dataset.head
    report = import_folder(empty, tmp_path / "s")
    assert (report.num_imported, len(report.already), report.commit) == (0, 2, "")
    assert raw(empty) == before
    assert empty.dataset.head == head


def test_a_taken_name_gets_a_suffix_for_image_caption_and_record_together(empty: Project, tmp_path: Path) -> None:
    for site, colour in (("danbooru", "red"), ("gelbooru", "blue")):
        picture(tmp_path / f"s/{site}/aria/001.png", colour)
        write(tmp_path / f"s/{site}/aria/001.txt", colour)
    report = import_folder(empty, tmp_path / "s")
    key = report.renamed["gelbooru/aria/001.png"]
    assert key.startswith("aria/001-")
    assert len(key) == len("aria/001-") + 6
    found = raw(empty)
    assert found["aria/001.txt"] == b"red"
    assert found[f"{key}.txt"] == b"blue"
    assert {f"{key}.png", f"{key}.json"} <= set(found)


def test_names_that_differ_in_case_only_do_not_meet(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/a/aria/Hat.png", "red")
    picture(tmp_path / "s/b/aria/hat.png", "blue")
    import_folder(empty, tmp_path / "s")
    assert len({path.casefold() for path in raw(empty)}) == 4


def test_captions_that_want_one_name_are_all_kept(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/d1/aria/y.png")
    write(tmp_path / "s/d1/aria/y.txt", "right")
    write(tmp_path / "s/d2/aria/y.txt", "another")
    write(tmp_path / "s/d1/aria/foo.txt", "one")
    write(tmp_path / "s/d2/aria/foo.txt", "two")
    picture(tmp_path / "s/d1/aria/z.png", "blue")
    write(tmp_path / "s/d1/aria/z.txt", "txt")
    write(tmp_path / "s/d1/aria/z.caption", "caption")
    import_folder(empty, tmp_path / "s")
    found = raw(empty)
    assert found["aria/y.txt"] == b"right"
    assert found["aria/z.txt"] == b"txt"
    texts = sorted(data for path, data in found.items() if path.endswith(".txt"))
    assert texts == sorted([b"right", b"another", b"one", b"two", b"txt", b"caption"])


def test_an_image_that_comes_later_does_not_overwrite_an_orphan(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s1/aria/x.png", "green")
    write(tmp_path / "s1/aria/y.txt", "the orphan")
    import_folder(empty, tmp_path / "s1")
    picture(tmp_path / "s2/aria/y.png")
    write(tmp_path / "s2/aria/y.txt", "its own")
    import_folder(empty, tmp_path / "s2")
    texts = {data for path, data in raw(empty).items() if path.endswith(".txt")}
    assert texts == {b"the orphan", b"its own"}


def test_two_images_of_one_stem_both_come_in_and_their_caption_is_told(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/aria/a.png", "red")
    picture(tmp_path / "s/aria/a.jpg", "blue")
    write(tmp_path / "s/aria/a.txt", "which?")
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == 2
    assert any("aria/a.txt: belongs to aria/a.jpg and aria/a.png" in note for note in report.notes)


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "metadata in a form that is not read"),
        ("[" * 100_000, "not JSON"),
        (json.dumps({"category": "danbooru", "tag_string_general": 5}), "tag_string_general"),
        (json.dumps({"category": "danbooru", "score": "many"}), "score"),
        (b"\xff\xfe\x00", "not JSON"),
    ],
)
def test_a_bad_sidecar_is_told_and_the_image_comes_in(
    empty: Project, tmp_path: Path, sidecar: str | bytes, words: str
) -> None:
    picture(tmp_path / "s/aria/good.png", "blue")
    write(tmp_path / "s/aria/good.png.json", json.dumps({"category": "danbooru", "id": 1}))
    picture(tmp_path / "s/aria/x.png")
    write(tmp_path / "s/aria/x.png.json", sidecar)
    report = import_folder(empty, tmp_path / "s", Wishes(source="gallery_dl"))
    assert report.num_imported == 2
    told = [*report.notes, *(f"{aside.path}: {aside.reason}" for aside in report.aside)]
    assert any(words in line and "x.png.json" in line for line in told)


def test_what_is_no_image_file_is_set_aside_with_a_reason(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/aria/x.png")
    (tmp_path / "s/aria/dangling.png").symlink_to("nowhere.png")
    (tmp_path / "s/aria/folder.png").mkdir()
    write(tmp_path / "s/aria/clip.mp4", b"\0")
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == 1
    reasons = {aside.path: aside.reason for aside in report.aside}
    assert set(reasons) == {"aria/clip.mp4", "aria/dangling.png"}
    assert reasons["aria/clip.mp4"].startswith("video (a moving picture")
    assert "link" in reasons["aria/dangling.png"]


def test_hostile_names_become_portable_and_the_original_is_recorded(empty: Project, tmp_path: Path) -> None:
    names = ["CON.png", "a\nb.png", "x .png", "Ünïcode é.png", "n" * 200 + ".png", "q?*.PNG", "a_b_c_d_e.png"]
    for number, name in enumerate(names):
        path = picture(tmp_path / "s/aria" / f"{number}.png", f"#{number:02x}0000")
        path.rename(path.with_name(name))
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == len(names)
    records = [data for path, data in raw(empty).items() if path.endswith(".json")]
    assert {decode_record(data, path="x").original.removeprefix("aria/") for data in records} == set(names)
    assert all(len(path.encode()) < 160 and path.isprintable() for path in raw(empty))


def test_a_folder_that_cannot_be_meant_is_refused(empty: Project, tmp_path: Path) -> None:
    root = empty.dataset.root
    with pytest.raises(UsageError, match="the dataset itself lies in it"):
        import_folder(empty, root.parent)
    with pytest.raises(UsageError, match="the dataset's own raw"):
        import_folder(empty, root / "raw")
    with pytest.raises(InputError, match="no such file or folder"):
        import_folder(empty, tmp_path / "nowhere")
    (tmp_path / "bare").mkdir()
    with pytest.raises(InputError, match="no images"):
        import_folder(empty, tmp_path / "bare")


def test_a_name_that_not_every_disk_holds_is_told(empty: Project, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    Image.new("RGB", (300, 300)).save(folder / "a*b.png")
    report = import_folder(empty, folder)
    assert report.portable == {"a*b.png": "odd/a_b"}
    assert report.renamed == {}

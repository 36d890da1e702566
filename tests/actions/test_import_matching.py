"""What becomes of images that are related: same post, same content, other sites, other versions, no metadata."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from scraping import picture, sidecar

from datakit.actions.importing import Wishes, import_folder
from datakit.actions.project import Project
from datakit.model.record import decode_record


def raw_images(project: Project) -> list[str]:
    folder = project.dataset.root / "raw"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_one_post_in_two_folders_is_one_item(empty: Project, tmp_path: Path) -> None:
    for folder in ("aria", "hats"):
        sidecar(picture(tmp_path / "s" / folder / "danbooru_7.png"), id=7, search_tags=folder)
    report = import_folder(empty, tmp_path / "s")
    assert report.same_post == {"hats/danbooru_7.png": "aria/danbooru_7"}
    assert report.num_imported == 1
    assert raw_images(empty) == ["aria/danbooru_7.png"]


def test_a_post_scraped_again_into_another_folder_is_known(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/danbooru_7.png"), id=7)
    import_folder(empty, tmp_path / "s")
    shutil.move(tmp_path / "s/aria", tmp_path / "s/later")
    report = import_folder(empty, tmp_path / "s")
    assert (report.num_imported, report.commit) == (0, "")
    assert report.same_post == {"later/danbooru_7.png": "aria/danbooru_7"}


def test_same_content_under_two_names_stays_two_items_and_is_told(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/aria/x.png")
    picture(tmp_path / "s/aria/y.png")
    report = import_folder(empty, tmp_path / "s")
    assert report.twins == {"aria/y.png": "aria/x"}
    assert raw_images(empty) == ["aria/x.png", "aria/y.png"]


def test_one_image_on_two_sites_is_told_by_content_and_by_md5(empty: Project, tmp_path: Path) -> None:
    md5 = hashlib.md5(picture(tmp_path / "s/aria/danbooru_7.png").read_bytes()).hexdigest()
    sidecar(tmp_path / "s/aria/danbooru_7.png", id=7, md5=md5)
    sidecar(picture(tmp_path / "s/aria/yande_9.png"), id=9, md5=md5, category="yandere", tags="hat")
    sidecar(picture(tmp_path / "s/aria/gel_3.png", "#ff0001"), id=3, md5=md5, category="gelbooru", tags="hat")
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == 3
    assert set(report.crossposts) == {"aria/gel_3.png", "aria/yande_9.png"}
    assert not report.twins
    assert report.md5_differs == ["aria/gel_3.png"]


def test_another_version_of_a_post_is_a_second_item(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/danbooru_7.png"), id=7)
    import_folder(empty, tmp_path / "s")
    sidecar(picture(tmp_path / "t/aria/danbooru_7.png", "#fe0000"), id=7)
    report = import_folder(empty, tmp_path / "t")
    assert report.versions == {"aria/danbooru_7.png": "aria/danbooru_7"}
    assert len(report.renamed) == 1
    assert len(raw_images(empty)) == 2


def test_several_images_of_one_post_are_several_items(empty: Project, tmp_path: Path) -> None:
    for page in range(3):
        image = picture(tmp_path / f"s/me/5_p{page}.png", f"#0000f{page}")
        sidecar(image, id=5, num=page, category="pixiv", rating="General", tags=["hat"])
    report = import_folder(empty, tmp_path / "s")
    assert (report.num_imported, report.versions, report.same_post) == (3, {}, {})
    records = [decode_record(path.read_bytes(), path="x") for path in (empty.dataset.root / "raw/me").glob("*.json")]
    assert sorted(record.page or 0 for record in records) == [0, 1, 2]


def test_an_image_without_metadata_among_others_is_counted(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    picture(tmp_path / "s/aria/b.png", "blue")
    picture(tmp_path / "s/plain/c.png", "green")
    assert import_folder(empty, tmp_path / "s").bare == ["aria/b.png"]


def test_metadata_without_an_image_is_told(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    sidecar(tmp_path / "s/aria/gone.png", id=2)
    report = import_folder(empty, tmp_path / "s")
    assert [one.path for one in report.loose] == ["aria/gone.png.json"]
    assert report.num_imported == 1


def test_an_image_that_was_edited_in_raw_does_not_lose_its_name(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    import_folder(empty, tmp_path / "s")
    stands = empty.dataset.root / "raw/aria/a.png"
    stands.unlink()
    picture(stands, "blue")
    report = import_folder(empty, tmp_path / "s")
    assert report.renamed.keys() == {"aria/a.png"}
    assert len(raw_images(empty)) == 2


def test_a_dry_run_tells_the_same_and_writes_nothing(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    picture(tmp_path / "s/aria/b.png")
    (tmp_path / "s/aria/lost.txt").write_text("hat")
    root = empty.dataset.root
    (root / "raw/aria").mkdir(parents=True)
    (root / "raw/aria/mine.txt").write_text("a hand edit that stays uncommitted")
    before = sorted(path for path in root.rglob("*") if "cache.sqlite" not in path.name), empty.dataset.head
    dry = import_folder(empty, tmp_path / "s", Wishes(is_dry=True))
    assert (sorted(path for path in root.rglob("*") if "cache.sqlite" not in path.name), empty.dataset.head) == before
    real = import_folder(empty, tmp_path / "s")
    assert (dry.commit, dry.is_dry) == ("", True)
    assert real.commit
    assert (dry.concepts, dry.twins, dry.orphans) == (real.concepts, real.twins, real.orphans)


def test_an_import_that_was_cut_off_goes_on_where_it_was(empty: Project, tmp_path: Path) -> None:
    for number in range(6):
        sidecar(picture(tmp_path / f"s/aria/{number}.png", f"#00{number:02x}00"), id=number)

    def stop(what: str, done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    head = empty.dataset.head
    with pytest.raises(KeyboardInterrupt):
        import_folder(empty, tmp_path / "s", progress=stop)
    assert empty.dataset.head == head
    store = empty.dataset.lfs.folder
    there = {path: path.stat().st_ino for path in store.rglob("*") if path.is_file()}
    assert len(there) >= 4
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == 6
    after = {path: path.stat().st_ino for path in store.rglob("*") if path.is_file()}
    assert there.items() <= after.items(), "what the store had is not written again"


def test_upstream_is_kept_verbatim(empty: Project, tmp_path: Path) -> None:
    path = sidecar(picture(tmp_path / "s/aria/a.png"), id=1, odd={"deep": [1, None, "ü"]}, rating="e")
    import_folder(empty, tmp_path / "s")
    record = decode_record((empty.dataset.root / "raw/aria/a.json").read_bytes(), path="x")
    assert record.upstream == json.loads(path.read_text())

"""dsk diff: which states are compared, which items, and the page that shows them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hands import again
from PIL import Image

from datakit.actions.advancing import advance
from datakit.actions.comparing import choose_stage, compare_states
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.sheet import write_sheet
from datakit.errors import UsageError, WriteError

Dsk = Callable[..., subprocess.CompletedProcess[str]]
ITEM = "aria/danbooru_0"
HOSTILE = '<script>alert("x")</script>'


def edit(project: Project) -> None:
    """One image repainted, one caption changed, one item removed, one added, one renamed; none committed."""
    wip = project.dataset.root / "wip"
    image = wip / "aria/danbooru_0.png"
    image.unlink()
    Image.new("RGB", (64, 600), "red").save(image)
    (wip / "aria/danbooru_1.txt").write_text(f"aria, {HOSTILE}, ^_^, blue hair, me")
    for extension in ("png", "txt"):
        (wip / f"aria/danbooru_2.{extension}").unlink()
        (wip / f"beth/danbooru_0.{extension}").rename(wip / f"beth/it's <b>&amp;.{extension}")
    picture = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    picture.paste((9, 9, 200, 255), (50, 50, 200, 150))
    picture.save(wip / "beth/clear.png")
    (wip / "beth/broken.png").write_bytes(b"no image")


def test_the_work_tree_against_head(advanced: Project) -> None:
    assert compare_states(advanced).comparison.stages == ()
    edit(advanced)
    comparison = compare_states(again(advanced)).comparison
    stage = choose_stage(comparison)
    assert stage is not None
    assert (comparison.before.name, comparison.after.name, stage.stage) == ("HEAD", "the work tree", "wip")
    marks = {item.key: [image.mark for image in item.images] for item in stage.items}
    assert marks == {
        "aria/danbooru_0": ["changed"],
        "aria/danbooru_1": [],
        "aria/danbooru_2": ["removed"],
        "beth/broken": ["added"],
        "beth/clear": ["added"],
        "beth/it's <b>&amp;": ["renamed"],
    }
    caption = stage.items[1].caption
    assert caption is not None
    assert (caption.tags_added, caption.tags_removed) == ((HOSTILE,), ("1girl",))
    with_items = compare_states(again(advanced), items=[ITEM, "beth/c*"]).comparison
    assert [item.key for item in with_items.stages[0].items] == [ITEM, "beth/clear"]


def test_revisions_and_why_an_image_is_missing(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("[filtered.too-small]\nmin_side_px = 257\n")
    advance(again(advanced), "wip")
    stages = compare_states(again(advanced), "HEAD~5", "main").comparison.stages
    assert [stage.stage for stage in stages] == ["filtered", "edited", "captioned", "cleaned", "wip"]
    assert stages[0].num_images("removed") == 5
    assert stages[0].items[0].why == "260 x 256 px, its shorter side is under 257 px"
    back = compare_states(again(advanced), "main", "HEAD~5").comparison.stages
    assert back[0].items[0].why == stages[0].items[0].why
    assert sum(stages[-1].tags_removed.values()) == sum(back[-1].tags_added.values()) == 25


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["mian"], "no revision 'mian'", "did you mean 'main'"),
        ([ITEM], "is an item, not a revision", f"dsk diff -- {ITEM}"),
        (["main", "HEAD~99"], "HEAD~99", "dsk log"),
    ],
)
def test_words_that_are_no_revision(advanced: Project, words: list[str], message: str, hint: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        compare_states(advanced, *words)
    assert hint in caught.value.hint


def test_an_item_of_either_side_can_be_named_and_no_other(advanced: Project) -> None:
    (advanced.dataset.root / f"wip/{ITEM}.png").unlink()
    found = compare_states(again(advanced), items=[f"wip/{ITEM}.png"]).comparison
    assert [item.key for item in found.stages[0].items] == [ITEM]
    assert compare_states(again(advanced), items=["beth/danbooru_0"]).comparison.stages == ()
    with pytest.raises(UsageError, match="no item"):
        compare_states(again(advanced), items=["nobody"])
    with pytest.raises(UsageError, match="no stage 'wpi'"):
        choose_stage(found, "wpi")


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def written(project: Project, path: Path, *, limit: int = 100) -> tuple[str, Page]:
    project = again(project)
    compared = compare_states(project)
    write_sheet(project.dataset, compared, choose_stage(compared.comparison), path, limit=limit)
    text = path.read_text("utf-8")
    return text, Page(text)


def test_the_page_stands_alone_and_nothing_in_it_is_markup_of_others(advanced: Project, tmp_path: Path) -> None:
    edit(advanced)
    text, page = written(advanced, tmp_path / "d.html")
    assert page.open == []
    assert HOSTILE not in text
    assert any(HOSTILE in word for word in page.words)
    assert "it's <b>&amp;" in page.words
    names = [tag for tag, _ in page.tags]
    assert not {"script", "link", "iframe", "object", "b>"} & set(names)
    for _, attributes in page.tags:
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href", "srcset", "action"):
            assert (attributes.get(name) or "data:image/webp;base64,").startswith("data:image/webp;base64,")
    assert not re.search(r"url\(|@import|https?://|//[a-z]", re.sub(r"base64,[^\"]*", "", text))


def test_images_are_shown_beside_each_other_or_as_what_they_are(advanced: Project, tmp_path: Path) -> None:
    edit(advanced)
    text, page = written(advanced, tmp_path / "d.html")
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 6  # two of the repainted one; caption changed; removed; added; renamed
    assert all(one["loading"] == "lazy" and int(one["width"] or 0) <= 256 >= int(one["height"] or 0) for one in images)
    assert [one["alt"] for one in images if one.get("class") == "see-through"] == ["beth/clear.png"]
    assert "unreadable: not an image of a known format" in page.words
    assert "64 × 600" in text
    ref = advanced.dataset.image_ref("wip/x.png", advanced.dataset.entry("wip/aria/danbooru_2.png").oid)  # type: ignore[union-attr]
    assert ref is not None
    advanced.dataset.lfs.path(ref.sha256).unlink()
    assert "not in this clone" in written(advanced, tmp_path / "d.html")[1].words


def test_a_page_is_cut_and_says_so(advanced: Project, tmp_path: Path) -> None:
    edit(advanced)
    text, page = written(advanced, tmp_path / "d.html", limit=2)
    assert "This page shows the first 2 of 6 items." in text
    assert sum(tag == "article" for tag, _ in page.tags) == 2
    with pytest.raises(WriteError, match="No such file"):
        written(advanced, tmp_path / "nowhere/d.html")


def test_a_page_without_differences_says_so(advanced: Project, tmp_path: Path) -> None:
    assert "No item differs" in written(advanced, tmp_path / "d.html")[1].words


def test_as_people_type_it(advanced: Project, dsk: Dsk, tmp_path: Path, git: Callable[..., str]) -> None:
    root = advanced.dataset.root
    assert dsk(root, "diff").stdout.splitlines()[-1] == "nothing differs"
    edit(advanced)
    before = git(root, "status", "--porcelain")
    done = dsk(root, "diff", "--html", str(tmp_path / "d.html"))
    assert done.returncode == 0, done.stderr
    assert "aria/danbooru_2\n  image removed\n  caption removed: -aria, " in done.stdout
    assert done.stdout.splitlines()[-1].startswith(f"wrote {tmp_path}/d.html: 6 items, ")
    done = dsk(root, "diff", "HEAD", "--json", "--", ITEM)
    assert [item["key"] for stage in json.loads(done.stdout)["stages"] for item in stage["items"]] == [ITEM]
    done = dsk(root, "diff", "a", "b", "c")
    assert (done.returncode, "items go behind --" in done.stderr) == (2, True)
    assert git(root, "status", "--porcelain") == before


def test_long_lists_are_cut_for_people_only(empty: Project, scrape: Callable[..., Path], dsk: Dsk) -> None:
    import_folder(empty, scrape(aria=30))
    root = empty.dataset.root
    lines = dsk(root, "diff", "HEAD~1", "HEAD").stdout.splitlines()
    assert lines[-1] == "  … and 10 more items (--json lists them)"
    assert len(json.loads(dsk(root, "diff", "HEAD~1", "--json").stdout)["stages"][0]["items"]) == 30


def test_blame_as_people_type_it(advanced: Project, dsk: Dsk) -> None:
    root = advanced.dataset.root
    done = dsk(root / "wip", "blame", "aria/danbooru_0.png", "--removed")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "aria/danbooru_0 in wip"
    assert re.search(r"^blue hair +raw +danbooru, general +[0-9a-f]{10}", done.stdout, re.MULTILINE)
    assert re.search(r"^highres +captioned +not taken: danbooru, meta", done.stdout, re.MULTILINE)
    found = json.loads(dsk(root, "blame", ITEM, "--json").stdout)
    assert found["tags"][1]["cause"]["detail"] == "danbooru, artist"
    assert found["removed"] == []

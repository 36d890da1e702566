"""A demonstration's folder for the page: a small dataset as dsk writes it, with hostile names where asked."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

from datakit.demo.page.facts import Dataset, Facts, Record
from datakit.demo.page.markup import VOID

EVIL = '<script>alert("x")</script>'
COLOURS = {"aria": "#3355cc", "mika": "#ee88bb"}


def picture(path: Path, colour: str, *, mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (48, 64), colour).save(path)


def write(path: Path, words: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(words, "utf-8")


def write_set(root: Path, *, tag: str = "blue_hair") -> None:
    """Two concepts with two pictures each; of one filtered drops a copy, and edited redraws another."""
    write(root / "dsk.toml", f"# {tag}\n[cleaned]\n")
    for stage in ("raw", "filtered", "edited", "captioned", "cleaned", "wip"):
        for concept, colour in COLOURS.items():
            for number in range(2):
                if (concept, number) == ("mika", 1) and stage != "raw":
                    continue
                place = root / stage / concept / f"{number}.png"
                is_redrawn = (concept, number) == ("aria", 1) and stage not in {"raw", "filtered"}
                picture(place, "#ffffff" if is_redrawn else colour)
                if stage == "captioned":
                    write(place.with_suffix(".txt"), f"1girl, {tag}, no_nose")
                elif stage in {"cleaned", "wip"}:
                    write(place.with_suffix(".txt"), f"{concept}_dsk, 1girl, {tag.replace('_', ' ')}")
                elif stage == "raw":
                    record = {"tags": {"general": ["1girl", tag, "no_nose"], "meta": ["lowres"]}}
                    write(place.with_suffix(".json"), json.dumps(record))
    why = {"rule": "exact-duplicate", "reason": f"the same bytes as {tag}", "evidence": {}}
    write(root / "filtered" / "stage.json", json.dumps({"dropped": {"mika/1": why}}))
    for key in ("aria/0", "aria/1", "mika/0"):
        source = root / "wip" / f"{key}.png"
        place = root / "export" / "kohya" / f"1_{key}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source.read_bytes())
        write(place.with_suffix(".txt"), source.with_suffix(".txt").read_text("utf-8"))
    write(root / "export" / "kohya" / "dataset.toml", f"# {tag}\n")


def write_bake(root: Path, name: str = "2026-01-01-001", *, note: str = "") -> None:
    """A ledger file and the logs beside it."""
    head = {"id": name, "commit": "ab" * 20, "lora": "x.safetensors", "note": note, "device": "cpu"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in head.items()]
    lines += ["images = 3", "steps = 40", "seconds = 61.5", "seed = 7", 'grid = "grid.png"']
    lines += ["[config.train]", "steps = 40", "[resolved.adapter]", 'name = "lora"', "rank = 8"]
    write(root / "bakes" / f"{name}.toml", "\n".join(lines) + "\n")
    logs = root / ".dsk" / "bakes" / name
    rows = [{"step": step, "loss": 1 / step} for step in range(1, 41)]
    write(logs / "loss.jsonl", "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 41, "lo')
    held = [{"step": step, "held_out": 0.5 - step / 100, "trained": 0.4} for step in (0, 20, 40)]
    write(logs / "validation.jsonl", "".join(json.dumps(row) + "\n" for row in held))
    picture(root / "grid.png", "#888888")


def facts(home: Path, dataset: Dataset, **others: Any) -> Facts:
    return Facts(home=home, datasets=(dataset,), bakes=others.get("bakes", ()), record=others.get("record", Record()))


class Checked(HTMLParser):
    """Reads a page as a browser would: which elements it has, which addresses, and whether every element is closed."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.loads: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.wrong: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.wrong += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        for name, value in attrs:
            self.loads += [value or ""] if name in {"src", "href", "srcset", "action", "data", "poster"} else []
            self.handlers += [name] if name.startswith("on") else []
            self.ids += [value or ""] if name == "id" else []
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data


def assert_sound(page: str) -> Checked:
    """Balanced, without scripts, and with nothing to load."""
    found = Checked(page)
    assert found.wrong == []
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & set(found.names)
    assert found.handlers == []
    assert [one for one in found.loads if not one.startswith(("#", "data:image/"))] == []
    assert {one[1:] for one in found.loads if one.startswith("#")} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    return found

"""gallery-dl: `x.png.json`, `x.json` or a line of `data.jsonl` for each image, and lists of tags `x.png.txt`.

A JSON object is gallery-dl's when it has a `category`, its word for a site that is known, or two others of the fields
that it always writes. `info.json` tells of a folder: only a gallery's is of use, for those of its images that have no
file of their own. Facts: mikf/gallery-dl:gallery_dl/postprocessor/metadata.py, gallery_dl/option.py.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.sources.folders.documents import MAX_JSON_BYTES, read_bytes, read_json, read_text, stream_lines
from datakit.sources.folders.matching import base_name, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.gallery_names import Pairs, facts_of_name, page_of_name
from datakit.sources.model import Claims, Found, Loose, Source
from datakit.sources.reading.fields import canonical
from datakit.sources.reading.sidecars import parse_json
from datakit.sources.reading.site import Facts, read_facts, shapes_of, site_called
from datakit.store.parallel import spread_forked
from datakit.tags.names import to_prompt

FORK_AT_LEAST: Final = 1000
"""JSON files from which on several processes read them."""
_INFO: Final = frozenset({"info.json", "metadata.json"})
_OWN_FIELDS: Final = frozenset({"subcategory", "extension", "filename", "search_tags"})
_GALLERY_FIELDS: Final = ("gid", "gallery_id")
_LINES: Final = frozenset({"jsonl", "ndjson"})
_LOOKED_AT: Final = 20
_MARK: Final = b'"category"'
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OF_A_FOLDER: Final = "gallery-dl's info.json: tells of a folder, not of one image"
_OF_ANOTHER_FILE: Final = "belongs to a file that is not imported"


class _Sidecar(msgspec.Struct, frozen=True):
    path: str
    facts: Facts | None
    problems: tuple[str, ...]
    is_exact: bool


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """What one JSON file holds."""

    problem: str = ""
    """Why it cannot be read."""
    is_other: bool = False
    """Whether it cannot be gallery-dl's, so that it was not looked into."""
    is_marked: bool = False
    """Whether it is gallery-dl's account of a post."""
    facts: Facts | None = None
    unknown: dict[str, Any] = {}
    """The post, where no site is known for it."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The post as it stands in the file."""
        return (self.facts.scraped.upstream if self.facts else None) or self.unknown


class _Scrape:
    """What is read of one folder, on the way."""

    def __init__(self, folder: Folder, is_told: bool) -> None:
        self.folder = folder
        self.is_told = is_told
        self.pairs = Pairs(folder)
        self.claims = Claims()
        self.sidecars: dict[str, _Sidecar] = {}
        self.broken: list[tuple[str, str]] = []
        """(path, reason) of JSON files that cannot be read."""
        self.others: list[str] = []
        """JSON files that are not gallery-dl's, or broken."""
        self.galleries: dict[str, _Sidecar] = {}
        self.places: set[str] = set()
        """Folders with sidecars of gallery-dl."""

    def take_json(self, path: str, read: _Read) -> None:
        """Take what one JSON file holds, if it is gallery-dl's."""
        if read.problem:
            self.broken.append((path, read.problem))
        elif read.is_marked:
            self.places.add(folder_of(path))
            self._take_post(path, read)
        elif read.is_other:
            self.others.append(path)

    def _take_post(self, path: str, read: _Read) -> None:
        images = self.pairs.beside(path)
        sidecar = _sidecar(path, read.facts, is_exact=images == [split_path(path)[0]])
        image = _chosen(images, read.data)
        if image:
            self._pair(image, sidecar)
        elif images:
            problem = f"{path}: {' and '.join(base_name(one) for one in images)} have its name; imported without it"
            self._loose(msgspec.structs.replace(sidecar, problems=(*sidecar.problems, problem)))
        elif base_name(path).lower() in _INFO:
            self._take_info(sidecar, read.data)
        elif self.pairs.other_file(path):
            self.claims.aside.append(Aside(path, _OF_ANOTHER_FILE))
        else:
            self._loose(sidecar)

    def _pair(self, image: str, sidecar: _Sidecar) -> None:
        self.claims.used.add(sidecar.path)
        known = self.sidecars.get(image)
        if known is None or (sidecar.is_exact and not known.is_exact):
            self.sidecars[image] = sidecar

    def _loose(self, sidecar: _Sidecar, place: str = "") -> None:
        self.claims.used.add(sidecar.path)
        if sidecar.facts:
            path = place or sidecar.path
            self.claims.loose.append(Loose(path=path, scraped=sidecar.facts.scraped, problems=sidecar.problems))

    def _take_info(self, sidecar: _Sidecar, data: Mapping[str, Any]) -> None:
        if any(name in data for name in _GALLERY_FIELDS):
            self.claims.used.add(sidecar.path)
            self.galleries[folder_of(sidecar.path)] = sidecar
        else:
            self.claims.aside.append(Aside(sidecar.path, _OF_A_FOLDER))

    def take_lines(self, path: str) -> None:
        """Read one JSON Lines file, if one of its first lines is gallery-dl's; of a post's lines the last counts."""
        try:
            head = list(islice(stream_lines(self.folder, path), _LOOKED_AT))
            if not any(_is_marked(row, self.is_told) for _, row in head):
                return
            self.claims.used.add(path)
            for number, row in stream_lines(self.folder, path):
                self._take_line(path, number, row)
        except InputError as error:
            self.claims.aside.append(Aside(path, error.message))

    def _take_line(self, path: str, number: int, row: Any) -> None:
        if not _is_marked(row, self.is_told):
            reason = row.message if isinstance(row, InputError) else "not a post"
            self.claims.aside.append(Aside(f"{path}:{number}", reason))
            return
        images = self.pairs.of_post(row, place=folder_of(path))
        sidecar = _sidecar(path, _facts(row), is_exact=False)
        known = self.sidecars.get(images[0]) if images else None
        if not images:
            self._loose(sidecar, f"{path}:{number}")
        elif known is None or known.path == path:
            self.sidecars[images[0]] = sidecar

    def finish(self) -> Claims:
        """All that was found, once every file was looked at."""
        for path in self.others:
            if folder_of(path) in self.places and (reason := _why_broken(self.folder, path)):
                self.broken.append((path, reason))
        for path, reason in self.broken:
            if self.is_told or folder_of(path) in self.places:
                self._take_broken(path, reason)
        for image in self.folder.images:
            sidecar = self.sidecars.get(image) or self._of_gallery(image)
            if sidecar:
                self.claims.found.append(self._found(image, sidecar))
            elif f"{image}.txt" in self.folder.files:
                self._take_tags(image)
        return self.claims

    def _take_broken(self, path: str, reason: str) -> None:
        images = self.pairs.beside(path)
        if len(images) != 1 or images[0] in self.sidecars:
            self.claims.aside.append(Aside(path, reason))
            return
        self.claims.used.add(path)
        self.sidecars[images[0]] = _Sidecar(path, None, (f"{path}: {reason}; imported without it",), False)

    def _of_gallery(self, image: str) -> _Sidecar | None:
        """A gallery's own facts, for an image of it that has no file with metadata."""
        gallery = self.galleries.get(folder_of(image))
        if gallery is None or gallery.facts is None:
            return None
        scraped = gallery.facts.scraped
        page = page_of_name(image, scraped.post_id)
        facts = Facts(msgspec.structs.replace(scraped, page=page, md5=""), gallery.facts.problems)
        return msgspec.structs.replace(gallery, facts=facts)

    def _found(self, image: str, sidecar: _Sidecar) -> Found:
        caption = self.folder.caption_of(image)
        tag_list = f"{image}.txt"
        if tag_list in self.folder.files and sidecar.facts and self._repeats(tag_list, sidecar.facts):
            self.claims.used.add(tag_list)
            caption = "" if caption == tag_list else caption
        scraped = sidecar.facts.scraped if sidecar.facts else None
        path = sidecar.path if sidecar.facts else ""
        return Found(image=image, caption=caption, scraped=scraped, sidecar=path, problems=sidecar.problems)

    def _repeats(self, path: str, facts: Facts) -> bool:
        """Whether a text is the list of the very tags that the metadata has."""
        try:
            text, _ = read_text(self.folder, path)
        except InputError:
            return False
        upstream = facts.scraped.upstream or {}
        known = {tag for tags in facts.scraped.tags.values() for tag in tags}
        known |= _names_in(upstream.get("tags") or upstream.get("tag_string"))
        return all(tag in known for tag in _tags_in(text)) or all(tag in known for tag in canonical(text.splitlines()))

    def _take_tags(self, image: str) -> None:
        """A list of tags beside an image that gallery-dl named: its caption, with commas between the tags."""
        path = f"{image}.txt"
        scraped = facts_of_name(image)
        if scraped is None or self.folder.caption_of(image) != path:
            return
        try:
            text, problem = read_text(self.folder, path)
        except InputError:
            return  # the plain folder's, and the import tells of a caption that cannot be read
        if "," in text:
            return
        self.claims.used.add(path)
        made = ", ".join(to_prompt(tag) for tag in _tags_in(text))
        scraped = msgspec.structs.replace(scraped, upstream={"gallery_dl": {base_name(path): text}})
        problems = (f"{path}: {problem}",) if problem else ()
        row = Found(image=image, text=made or None, scraped=scraped, sidecar=path, problems=problems)
        self.claims.found.append(row)


def _claim(folder: Folder, is_told: bool) -> Claims:
    scrape = _Scrape(folder, is_told)
    paths = folder.ending("json")
    tell, folder.on_read = folder.on_read, None  # what other processes read, this one tells of
    try:
        work = partial(_packed, folder, is_told)
        decoder = msgspec.msgpack.Decoder(_Read)
        for path, read in zip(paths, spread_forked(work, paths, at_least=FORK_AT_LEAST), strict=True):
            scrape.take_json(path, decoder.decode(read) if isinstance(read, bytes) else read)
            if tell is not None:
                tell(path)
    finally:
        folder.on_read = tell
    for path in folder.ending(*_LINES):
        scrape.take_lines(path)
    return scrape.finish()


def _packed(folder: Folder, is_told: bool, path: str) -> bytes | _Read:
    """What a JSON file holds, packed for the way to another process; as it is where a number is too large for that."""
    read = _read_json(folder, is_told, path)
    try:
        return msgspec.msgpack.encode(read)
    except (OverflowError, ValueError, TypeError):
        return read


def _read_json(folder: Folder, is_told: bool, path: str) -> _Read:
    try:
        raw = read_bytes(folder, path, MAX_JSON_BYTES)
        if not is_told and _MARK not in raw and not raw.startswith(_UTF_16):
            return _Read(is_other=True)
        data = parse_json(raw)
    except InputError as error:
        return _Read(problem=error.message)
    if not _is_marked(data, is_told):
        return _Read()
    facts = _facts(data)
    return _Read(is_marked=True, facts=facts, unknown={} if facts else data)


def _is_marked(data: object, is_told: bool) -> bool:
    """Whether a value is gallery-dl's account of a post."""
    if not isinstance(data, dict):
        return False
    category = data.get("category")
    word = category if isinstance(category, str) and category != "x" else ""  # a site, and anybody's word
    if site_called(word) or (isinstance(category, str) and len(_OWN_FIELDS & data.keys()) > 1):
        return True
    return is_told and bool(shapes_of(data))


def _facts(data: dict[str, Any]) -> Facts | None:
    category = data.get("category")
    return read_facts(data, site=category if isinstance(category, str) else "")


def _sidecar(path: str, facts: Facts | None, *, is_exact: bool) -> _Sidecar:
    told = facts.problems if facts else ("field 'category' names no site; imported without it",)
    return _Sidecar(path, facts, tuple(f"{path}: {one}" for one in told), is_exact)


def _why_broken(folder: Folder, path: str) -> str:
    """Why a JSON file cannot be read; '' where it can."""
    try:
        read_json(folder, path)
    except InputError as error:
        return error.message
    return ""


def _chosen(images: list[str], data: Mapping[str, Any]) -> str:
    """The one image of a sidecar; of several with its stem the one that has the post's extension; '' for none."""
    if len(images) == 1:
        return images[0]
    wanted = str(data.get("extension")).lower()
    fitting = [image for image in images if split_path(image)[1].lower() == wanted]
    return fitting[0] if len(fitting) == 1 else ""


def _tags_in(text: str) -> tuple[str, ...]:
    """One tag a line; one line with blanks is what gallery-dl leaves of a short text with all the tags."""
    lines = [line for line in text.splitlines() if line.strip()]
    return canonical(lines[0].split() if len(lines) == 1 else lines)


def _names_in(tags: object) -> set[str]:
    """Canonical names of a post's `tags`, whatever they are."""
    if isinstance(tags, str):
        return {*canonical(tags.split()), *canonical(tags.split(", "))}
    rows = tags if isinstance(tags, list) else []
    texts = (one for row in rows for one in (row.values() if isinstance(row, dict) else (row,)))
    return set(canonical(one for one in texts if isinstance(one, str)))


SOURCE = Source(name="gallery_dl", title="gallery-dl", rank=10, claim=_claim)

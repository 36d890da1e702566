"""What a site's API answered, kept as it came: `posts.json`, JSON Lines of posts, `<id>.json` for each post.

Read are a list of posts, one post, `{"posts": […]}`, `{"post": {…}}`, `{"@attributes": …, "post": […]}`, and one post a
line, as danbooru's dumps are; a file counts when one of its first posts looks like a known site's. A post belongs to
the image that has its md5, its file's name or its id in the name; one without an image may refresh an item that is in
the dataset already. Facts: danbooru/danbooru:app/policies/post_policy.rb, e621ng/e621ng:app/blueprints,
moebooru/moebooru:app/models/post/api_methods.rb.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import head, read_json, stream_lines
from datakit.sources.folders.matching import Images, base_name, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Loose, Source
from datakit.sources.reading.fields import Post
from datakit.sources.reading.sidecars import parse_json
from datakit.sources.reading.site import Facts, all_sites, read_facts

_LINES: Final = frozenset({"jsonl", "ndjson"})
_HOLDERS: Final = ("posts", "post", "images", "image", "results", "data")
_LOOKED_AT: Final = 20
_HEAD_BYTES: Final = 1 << 20
_MAX_LOOSE: Final = 100_000
"""Posts of one file without an image that are kept, since each stays in memory with all that its site said."""
_MAX_PROBLEMS: Final = 5
_NOT_POSTS: Final = frozenset({"file_name", "image_path"})
"""Fields of other formats' rows, which may say the same as a site does."""


class _Row(msgspec.Struct):
    path: str
    scraped: Scraped
    problems: list[str]


class _Reader:
    """Images and loose posts of all the files of a folder."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.images = Images(folder)
        self.claims = Claims()
        self.found: dict[str, _Row] = {}
        self.loose: dict[tuple[str, str, str], _Row] = {}

    def take(self, path: str, is_told: bool) -> None:
        """Read one file, if it holds posts."""
        stem = split_path(path)[0]
        own = [stem] if self.folder.is_image(stem) else self.images.by_stem.get(stem, [])
        try:
            rows = self._posts(path)
            some = list(islice(rows, _LOOKED_AT))
            if any(map(_is_post, some)):
                self._take_posts(path, chain(some, rows), own)
            elif is_told:
                self.claims.aside.append(Aside(path, "no posts of a known site in it"))
        except InputError as error:
            if not own and path not in self.claims.used:
                self.claims.aside.append(Aside(path, error.message))

    def _posts(self, path: str) -> Iterator[Any]:
        """Each post of a file, or why a line of it is none."""
        if split_path(path)[1].lower() in _LINES or _is_lines(head(self.folder, path, _HEAD_BYTES)):
            for number, one in stream_lines(self.folder, path):
                yield InputError(f"line {number}: {one.message}") if isinstance(one, InputError) else one
        else:
            yield from posts_in(read_json(self.folder, path))

    def _take_posts(self, path: str, rows: Iterable[Any], own: list[str]) -> None:
        self.claims.used.add(path)
        problems: list[str] = []
        first: _Row | None = None
        num_loose = num_problems = 0
        try:
            for one in rows:
                facts = read_facts(one) if isinstance(one, Mapping) else None
                if facts is None:
                    num_problems += 1
                    reason = one.message if isinstance(one, InputError) else "an entry is no post of a known site"
                    problems += [f"{path}: {reason}"] if num_problems <= _MAX_PROBLEMS else []
                    continue
                row = _Row(path, facts.scraped, _told(path, facts))
                first = first or row
                images = own or self._images(row.scraped, one, folder_of(path))
                num_loose += not images
                if images or num_loose <= _MAX_LOOSE:
                    self._place(row, images)
        except InputError as error:  # the disk fails in the middle of it
            problems.append(f"{path}: {error.message}")
        if num_problems > _MAX_PROBLEMS:
            problems.append(f"{path}: {num_problems - _MAX_PROBLEMS} more entries that are no posts")
        if num_loose > _MAX_LOOSE:
            problems.append(f"{path}: {num_loose - _MAX_LOOSE} posts without an image are left out; split the file")
        if first is not None:
            first.problems += problems

    def _images(self, scraped: Scraped, post: Mapping[str, Any], place: str) -> list[str]:
        found = self.images.by_md5.get(scraped.md5, []) if scraped.md5 else []
        if not found:
            url = Post(post).text("file_url", "file.url", "image")
            name = base_name(_path_of_url(url)).lower()
            found = self.images.by_name.get(name, []) if name else []
        if not found and scraped.post_id:
            found = self.images.of_post(scraped.site, scraped.post_id, place=place)
        return found

    def _place(self, row: _Row, images: list[str]) -> None:
        for image in images:
            before = self.found.get(image)
            if before is None or _is_newer(row.scraped, before.scraped):
                self.found[image] = row
            elif _key(before.scraped) != _key(row.scraped):
                note = f"{row.path}: {_called(row.scraped)} is {image} too, which is {_called(before.scraped)}"
                before.problems.append(note)
        if not images and (row.scraped.post_id or row.scraped.md5):
            known = self.loose.get(_key(row.scraped))
            if known is None or _is_newer(row.scraped, known.scraped):
                self.loose[_key(row.scraped)] = row

    def finish(self) -> Claims:
        """All that was found."""
        for image, row in self.found.items():
            caption = self.folder.caption_of(image)
            found = Found(image=image, caption=caption, scraped=row.scraped, sidecar=row.path)
            self.claims.found.append(msgspec.structs.replace(found, problems=tuple(row.problems)))
        for row in self.loose.values():
            self.claims.loose.append(Loose(path=row.path, scraped=row.scraped, problems=tuple(row.problems)))
        return self.claims


def _claim(folder: Folder, is_told: bool) -> Claims:
    reader = _Reader(folder)
    for path in folder.ending("json", *_LINES):
        reader.take(path, is_told)
    return reader.finish()


def posts_in(value: Any) -> list[Any]:
    """The entries of an API's answer: a list, the list or the one object in it, or itself."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    if _has_shape(value):
        return [value]
    held = next((value[name] for name in _HOLDERS if isinstance(value.get(name), list | dict)), None)
    return held if isinstance(held, list) else [held] if held else []


def _is_post(one: object) -> bool:
    return isinstance(one, Mapping) and not _NOT_POSTS & one.keys() and _has_shape(one)


def _has_shape(data: Mapping[str, Any]) -> bool:
    return any(one.is_shape(data) for one in all_sites())


def _is_lines(data: bytes) -> bool:
    """Whether a file begins with one whole object on its first line, and more follows."""
    line, newline, rest = data.lstrip().partition(b"\n")
    line = line.strip()
    if not newline or not rest.strip() or not (line.startswith(b"{") and line.endswith(b"}")):
        return False
    try:
        return isinstance(parse_json(line), dict)
    except InputError:
        return False


def _told(path: str, facts: Facts) -> list[str]:
    which = f"post {facts.scraped.post_id}: " if facts.scraped.post_id else ""
    return [f"{path}: {which}{one}" for one in facts.problems]


def _path_of_url(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _key(scraped: Scraped) -> tuple[str, str, str]:
    return (scraped.site, scraped.post_id, "" if scraped.post_id else scraped.md5)


def _called(scraped: Scraped) -> str:
    return f"post {scraped.post_id or scraped.md5} of {scraped.site}"


def _is_newer(scraped: Scraped, before: Scraped) -> bool:
    return _key(scraped) == _key(before) and scraped.updated_at > before.updated_at


SOURCE = Source(name="api_json", title="posts as a site's API sends them", rank=25, claim=_claim)

"""A danbooru post as gallery-dl's `--write-metadata` stores it beside the picture."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from random import Random
from typing import Any, Final

from datakit.demo.world import Picture

EPOCH: Final = datetime(2025, 3, 1, 9, 0, 0, tzinfo=UTC)
ARTIST: Final = "lisa_wischofsky"
SOURCE: Final = "https://www.dicebear.com/styles/adventurer/"
META: Final = ("lowres",)
"""Danbooru calls pictures up to 500 px so."""


@dataclass(frozen=True)
class Post:
    """What the site knows of a picture besides the picture."""

    id: int
    md5: str
    parent_id: int | None
    has_children: bool


def sidecar(post: Post, picture: Picture, *, path: str) -> bytes:
    """The metadata file of the picture at `path`: UTF-8, indent 4, nothing escaped."""
    place = PurePosixPath(path)
    site, search = place.parts[0], place.parts[1]
    document = {
        **_columns(post, picture),
        **_tag_fields(picture),
        **_files(post, len(picture.png)),
        "category": site,
        "subcategory": "tag",
        "search_tags": search,
        "filename": post.md5,
        "extension": "png",
        "date": f"{_created(post):%Y-%m-%d %H:%M:%S}",
    }
    return json.dumps(document, ensure_ascii=False, indent=4).encode() + b"\n"


def _created(post: Post) -> datetime:
    return EPOCH + timedelta(hours=7 * (post.id % 1000), minutes=post.id % 53)


def _columns(post: Post, picture: Picture) -> dict[str, Any]:
    """The columns of the site's table of posts; votes are a function of the post's id."""
    votes = Random(post.id)
    up, down = votes.randint(4, 90), -votes.randint(0, 3)
    stamp = _created(post).isoformat(timespec="milliseconds")
    width, height = picture.size_px
    return {
        "id": post.id,
        "created_at": stamp,
        "updated_at": stamp,
        "uploader_id": 1,
        "approver_id": None,
        "score": up + down,
        "up_score": up,
        "down_score": down,
        "fav_count": up // 2,
        "source": SOURCE,
        "md5": post.md5,
        "rating": "g",
        "image_width": width,
        "image_height": height,
        "file_ext": "png",
        "file_size": len(picture.png),
        "parent_id": post.parent_id,
        "has_children": post.has_children,
        "has_active_children": post.has_children,
        "has_visible_children": post.has_children,
        "has_large": False,
        "is_pending": False,
        "is_flagged": False,
        "is_deleted": False,
        "is_banned": False,
        "pixiv_id": None,
        "bit_flags": 0,
        "last_comment_bumped_at": None,
        "last_commented_at": None,
        "last_noted_at": None,
    }


def _tag_fields(picture: Picture) -> dict[str, Any]:
    by_category = {
        "general": picture.general,
        "character": (picture.character_tag,),
        "copyright": ("original",),
        "artist": (ARTIST,),
        "meta": META,
    }
    every = sorted(tag for tags in by_category.values() for tag in tags)
    fields: dict[str, Any] = {"tag_count": len(every), "tag_string": " ".join(every)}
    for category, tags in by_category.items():
        fields[f"tag_count_{category}"] = len(tags)
        fields[f"tag_string_{category}"] = " ".join(tags)
    fields["tags"] = every
    for category, tags in by_category.items():
        fields[f"tags_{category}"] = list(tags)
    fields["artist_commentary"] = {
        "original_title": TITLES[picture.name],
        "translated_title": picture.name.title(),
    }
    return fields


TITLES: Final = {"aria": "アリア", "hana": "花", "mika": "ミカ", "sora": "空"}


def _files(post: Post, size_bytes: int) -> dict[str, Any]:
    """Addresses under a reserved domain: these posts exist nowhere."""
    base = f"https://cdn.danbooru.example/original/{post.md5[:2]}/{post.md5[2:4]}/{post.md5}.png"
    return {
        "file_url": base,
        "large_file_url": base,
        "preview_file_url": base.replace("/original/", "/180x180/"),
        "media_asset": {
            "id": post.id,
            "created_at": _created(post).isoformat(timespec="milliseconds"),
            "md5": post.md5,
            "file_ext": "png",
            "file_size": size_bytes,
            "status": "active",
            "is_public": True,
        },
    }

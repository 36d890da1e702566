"""The thumbnails of a comparison's items, made on all cores."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from datakit.actions.comparing import Compared
from datakit.errors import DskError
from datakit.images.decode import UnreadableImage
from datakit.images.thumbnail import make_thumbnail
from datakit.model.comparison import ItemChange, Picture
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset
from datakit.repo.past.sides import Side, read_picture
from datakit.repo.stagetree import TreeView, stage_tree
from datakit.store.parallel import spread


class Drawn(msgspec.Struct, frozen=True):
    """A thumbnail that a page can hold."""

    url: str
    """`data:` with the whole picture."""
    size_px: tuple[int, int]
    original_px: tuple[int, int]
    transparent: bool


class Pictures(msgspec.Struct, frozen=True):
    """What there is to see of some items."""

    thumbnails: dict[str, Drawn]
    """By the image's sha256."""
    reasons: dict[str, str]
    """sha256 → why there is no thumbnail."""
    standing: dict[str, Picture]
    """Item key → its image, where the image itself did not change."""


def load_pictures(
    dataset: Dataset, compared: Compared, stage: str, items: Sequence[ItemChange], progress: Progress
) -> Pictures:
    """Thumbnails of every image that a page of these items shows."""
    standing = dict(_standing(dataset, compared, stage, items)) if stage else {}
    sides = (side for item in items for image in item.images for side in (image.before, image.after) if side)
    wanted = {picture.sha256: picture for picture in (*sides, *standing.values()) if picture.sha256}
    loose = {**compared.before.loose, **compared.after.loose}

    def draw(picture: Picture) -> tuple[str, Drawn | str]:
        try:
            data = read_picture(dataset, picture, loose)
            return picture.sha256, _drawn(data) if data is not None else "not in this clone"
        except UnreadableImage as error:
            return picture.sha256, f"unreadable: {error.reason}"
        except DskError as error:
            return picture.sha256, error.message
        except OSError as error:
            return picture.sha256, error.strerror or str(error)

    thumbnails: dict[str, Drawn] = {}
    reasons: dict[str, str] = {"": "stored without git-lfs"}
    for number, (sha256, found) in enumerate(spread(draw, list(wanted.values())), 1):
        if isinstance(found, str):
            reasons[sha256] = found
        else:
            thumbnails[sha256] = found
        progress("thumbnails", number, len(wanted))
    return Pictures(thumbnails, reasons, standing)


def _drawn(data: bytes) -> Drawn:
    made = make_thumbnail(data)
    url = f"data:image/webp;base64,{base64.b64encode(made.data).decode()}"
    return Drawn(url, made.size_px, made.original_px, made.transparent)


def _standing(
    dataset: Dataset, compared: Compared, stage: str, items: Iterable[ItemChange]
) -> Iterator[tuple[str, Picture]]:
    """The images of items whose image did not change: as they stand after, else before."""
    views = [(side, TreeView(dataset, stage_tree(dataset, side.tree, stage))) for side in _sides(compared)]
    for item in items:
        if any(image.mark != "renamed" for image in item.images):
            continue
        for _, view in views:
            images = view.item(item.key).images
            if images:
                path, blob = min(images.items())
                ref = dataset.image_ref(f"{stage}/{path}", blob)
                yield item.key, Picture(path, ref.sha256, ref.size_bytes) if ref else Picture(path, "", 0)
                break


def _sides(compared: Compared) -> tuple[Side, Side]:
    return compared.after, compared.before

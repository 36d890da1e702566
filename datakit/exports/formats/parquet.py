"""Hugging Face parquet: tables that hold their images, as `datasets` writes and the hub shows them.

Writes `data/<split>-00000-of-00001.parquet`, of which several where `shard_bytes` are full. Columns: image (the file's
own bytes and its name), text, concept, repeats, loss_weight, is_reg, width, height, sha256; with `records` also what
the site says; a column mask where an image has one. The schema says which columns are images, so that
`load_dataset("parquet", …)` and the hub's page show pictures.

Row groups are small, since readers take a whole one into memory; images are not compressed again. The same dataset
gives the same bytes, with the same version of pyarrow.

Needs pyarrow: `pip install 'dsk[publish]'`.

Source: huggingface/datasets src/datasets/features/image.py (struct of bytes and path), arrow_writer.py (the schema's
`huggingface` metadata), data_files.py (names of shards).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any, BinaryIO, Final

import msgspec

from datakit.errors import StateError
from datakit.exports.model import Export, Material, Pack, Plan, Read
from datakit.exports.rows import HELD, SPLITS, Member, digest_of, members, row_of, sharded, split_of
from datakit.exports.settings import Positive
from datakit.model.item import ImageRef

_DTYPES: Final[dict[type, str]] = {str: "string", int: "int64", float: "float64", bool: "bool"}
_GROUP_BYTES: Final = 64_000_000
_PICTURES: Final = ("image", "mask")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.parquet]`."""

    shard_bytes: Positive = 500_000_000
    """Most bytes of images in a file; a larger image has one to itself."""
    row_group: Positive = 100
    """Most rows that a reader must take at once."""
    records: bool = False
    """Columns rating, site, post_id, source, artist, character and copyright too, from the records."""


class _Row(msgspec.Struct, frozen=True):
    """One image with its columns."""

    image: ImageRef
    path: str
    mask: ImageRef | None
    columns: dict[str, Any]


def _plan(material: Material) -> Plan:
    settings = material.settings
    found = list(members(material))
    with_masks = any(member.item.mask is not None for member in found)
    packs: dict[str, Pack] = {}
    items: dict[str, str] = {}
    for split in SPLITS:
        chosen = [member for member in found if split_of(member.subset) == split]
        shards = sharded(chosen, most_bytes=settings.shard_bytes)
        for number, shard in enumerate(shards):
            path = f"data/{split}-{number:05}-of-{len(shards):05}.parquet"
            rows = [_row(member, material) for member in shard]
            write = partial(_write, rows, with_masks=with_masks, group=settings.row_group)
            packs[path] = Pack(digest=digest_of(rows, with_masks, settings.row_group), write=write)
            items |= dict.fromkeys((member.item.key for member in shard), path)
    return Plan(packs=packs, items=items)


def _row(member: Member, material: Material) -> _Row:
    columns = row_of(member, material, records=material.settings.records)
    return _Row(member.item.image, f"{member.subset.name}/{member.item.file}", member.item.mask, columns)


def refuse_without_pyarrow() -> None:
    """Parquet is written by pyarrow.

    Raises:
        StateError: it is not installed.
    """
    if find_spec("pyarrow") is None:
        raise StateError("parquet files are written with pyarrow, which is missing", hint="pip install 'dsk[publish]'")


def features_of(columns: dict[str, Any], *, with_masks: bool) -> dict[str, dict[str, str]]:
    """What `datasets` is told of each column, in their order."""
    pictures = _PICTURES if with_masks else _PICTURES[:1]
    plain = {name: {"dtype": _DTYPES[type(value)], "_type": "Value"} for name, value in columns.items()}
    return {**{name: {"_type": "Image"} for name in pictures}, **plain}


def _write(rows: Sequence[_Row], file: BinaryIO, read: Read, *, with_masks: bool, group: int) -> None:
    refuse_without_pyarrow()
    import pyarrow as pa
    from pyarrow import parquet

    features = features_of(rows[0].columns, with_masks=with_masks)
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "bool": pa.bool_()}
    fields = [
        pa.field(name, picture if told["_type"] == "Image" else types[told["dtype"]]) for name, told in features.items()
    ]
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema(fields, metadata=told)
    compression = {name: "none" if name.endswith(".bytes") else "snappy" for name in _leaves(features)}
    words = [name for name in features if features[name].get("dtype") == "string"]
    with parquet.ParquetWriter(
        file, schema, compression=compression, use_dictionary=words, write_statistics=words, store_schema=True
    ) as writer:
        for some in _groups(rows, group):
            table = pa.Table.from_pylist([_cells(row, read, with_masks=with_masks) for row in some], schema=schema)
            writer.write_table(table, row_group_size=len(some))


def _leaves(features: dict[str, dict[str, str]]) -> Iterator[str]:
    for name, told in features.items():
        yield from (f"{name}.bytes", f"{name}.path") if told["_type"] == "Image" else (name,)


def _groups(rows: Sequence[_Row], most: int) -> Iterator[list[_Row]]:
    """Rows that are held in memory together: so many, and not too many bytes."""
    some: list[_Row] = []
    size_bytes = 0
    for row in rows:
        if some and (len(some) >= most or size_bytes + row.image.size_bytes > _GROUP_BYTES):
            yield some
            some, size_bytes = [], 0
        some.append(row)
        size_bytes += row.image.size_bytes
    yield some


def _cells(row: _Row, read: Read, *, with_masks: bool) -> dict[str, Any]:
    mask = {"bytes": read(row.mask), "path": _mask_name(row.path)} if row.mask is not None else None
    return {
        "image": {"bytes": read(row.image), "path": row.path},
        **({"mask": mask} if with_masks else {}),
        **{name: _printable(value) for name, value in row.columns.items()},
    }


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _mask_name(path: str) -> str:
    return f"{path.rpartition('.')[0]}.mask.png"


EXPORT = Export(
    name="parquet",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=HELD,
    needs_records=lambda settings: bool(settings.records),
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
)

"""XMP sidecars, `x.jpg.xmp` or `x.xmp`: the keywords in `dc:subject`.

The XML is read as a stream that knows no entities: a document type, which declares them, is refused. Facts: XMP
specification part 1, section 7 (RDF bags), Bionus/imgbrd-grabber:src/lib/src/external/exiftool.cpp.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from datakit.errors import InputError

MAX_BYTES: Final = 4 << 20
_SUBJECT: Final = "http://purl.org/dc/elements/1.1/ subject"
_ITEM: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns# li"


class _Reader:
    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.depth = 0
        self.text: list[str] | None = None

    def start(self, name: str, attributes: object) -> None:
        del attributes
        if name == _SUBJECT:
            self.depth += 1
        elif name == _ITEM and self.depth:
            self.text = []

    def end(self, name: str) -> None:
        if name == _SUBJECT:
            self.depth -= 1
        elif name == _ITEM and self.text is not None:
            self.subjects.append("".join(self.text).strip())
            self.text = None

    def data(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)


def _refuse(*arguments: object) -> None:
    del arguments
    raise InputError("XML with a document type, which is not read")


def subjects(data: bytes) -> tuple[str, ...]:
    """Keywords of an XMP document, each once.

    Raises:
        InputError: not XML, or more of it than keywords need; the message has no file name.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"not XML ({error})") from error
    return tuple(dict.fromkeys(filter(None, reader.subjects)))

"""Words on a sheet, in fonts that have their letters.

Pillow brings a font of Latin letters alone; others are looked for where the system keeps its fonts. A letter that no
font has is drawn as a box.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]

_OTHERS = (
    # Windows', macOS', and those that Linux distributions bring: wide Latin first, then Chinese, Japanese, Korean.
    *("DejaVuSans.ttf", "segoeui.ttf", "Arial Unicode.ttf", "NotoSans-Regular.ttf"),
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf", "NotoSansJP-Regular.otf", "SourceHanSans-Regular.ttc"),
    *("YuGothM.ttc", "meiryo.ttc", "msyh.ttc", "malgun.ttf", "msgothic.ttc", "simsun.ttc"),
    *("Hiragino Sans GB.ttc", "ヒラギノ角ゴシック W3.ttc", "PingFang.ttc", "AppleSDGothicNeo.ttc", "STHeiti Light.ttc"),
    *("wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf", "ipag.ttf"),
    *("NanumGothic.ttf", "NotoSansSymbols2-Regular.ttf", "NotoEmoji-Regular.ttf", "seguiemj.ttf", "unifont.ttf"),
)
_NO_LETTER = "\U0010ffff"
_BOX = "\u25a1"
_SMALLEST = 8


def width_of(text: str, size: int) -> float:
    """Pixels that the text takes, in one line."""
    return sum(_font(place, size).getlength(run) for place, run in _runs(text))


def write(
    pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, *, size: int, colour: Colour, anchor: str = "ls"
) -> None:
    """Draws one line; `anchor` as Pillow's, of `l`, `m` or `r` and then `s`, the line that letters stand on."""
    x, y = place
    x -= {"l": 0.0, "m": 0.5, "r": 1.0}[anchor[0]] * width_of(text, size)
    for number, run in _runs(text):
        font = _font(number, size)
        pen.text((x, y), run, colour, font, anchor="ls")
        x += font.getlength(run)


def shortened(text: str, *, size: int, width: float) -> str:
    """The text, or as much of its beginning as is no wider than `width`, and dots."""
    if width_of(text, size) <= width:
        return text
    return f"{text[: _fitting(text, size=size, width=width - width_of('...', size))].rstrip(' ,.')}..."


def wrapped(text: str, *, size: int, width: float, most: int) -> list[str]:
    """The text in at most `most` lines no wider than `width`; where it is longer, the last one ends in dots."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if width_of(longer, size) <= width:
            line = longer
            continue
        if line and width_of(word, size) <= width and _is_spaced(word):
            lines.append(line)
            line = word
            continue
        # A word that no line holds, or one of a script without spaces, is broken where the line ends.
        line = longer if line else word
        while width_of(line, size) > width:
            end = max(1, _fitting(line, size=size, width=width))
            lines.append(line[:end].rstrip())
            line = line[end:].lstrip()
        if len(lines) > most:
            break
    lines.append(line)
    lines = [one for one in lines if one]
    if len(lines) > most:
        lines = [*lines[: most - 1], shortened(f"{lines[most - 1]} {lines[most]}" + "...", size=size, width=width)]
    return lines


def _is_spaced(word: str) -> bool:
    return all(ord(letter) < 0x2E80 for letter in word)


def _fitting(text: str, *, size: int, width: float) -> int:
    """How many letters of the beginning are no wider than `width`."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(text[:middle], size) <= width else (low, middle - 1)
    return low


def _runs(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces of one font each, as (number of the font, piece)."""
    piece, number = "", 0
    for letter in text:
        found, shown = _place_of(letter)
        if found != number and piece:
            yield number, piece
            piece = ""
        number = found
        piece += shown
    if piece:
        yield number, piece


@lru_cache(maxsize=4096)
def _place_of(letter: str) -> tuple[int, str]:
    """Number of the first font that has the letter, and the letter; or a box, where none has."""
    if not letter.isprintable():
        return 0, " "
    for number in range(len(_OTHERS) + 1):
        if letter.isspace() or _has(number, letter):
            return number, letter
    return next(((number, _BOX) for number in range(len(_OTHERS) + 1) if _has(number, _BOX)), (0, "?"))


def _has(number: int, letter: str) -> bool:
    font = _font(number, 20) if number == 0 or _path_of(_OTHERS[number - 1]) else None
    return font is not None and _drawn(font, letter) != _drawn(font, _NO_LETTER)


def _drawn(font: Font, letter: str) -> bytes:
    mask = font.getmask(letter)
    return bytes(mask) + repr(mask.size).encode()


@lru_cache(maxsize=256)
def _font(number: int, size: int) -> Font:
    size = max(size, _SMALLEST)
    path = _path_of(_OTHERS[number - 1]) if number else ""
    return ImageFont.truetype(path, size) if path else ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _path_of(name: str) -> str:
    """Where the system keeps this font; empty where it does not."""
    try:
        return str(ImageFont.truetype(name, 20).path)
    except OSError:
        return ""

r"""Text that a program of the field reads literally, weight 1 and word for word, and back again.

Trainers read captions as they are. Prompt fields do not: AUTOMATIC1111 and Forge take `( ) [ ]` for emphasis, ComfyUI
takes `( )`, NovelAI takes `{ } [ ]` and `1.2::`. `escape` writes text so that the target's own parser gives it back;
`unescapable` names what no spelling can save.

Where the rules come from: AUTOMATIC1111/stable-diffusion-webui:modules/prompt_parser.py (`re_attention`, `re_break`,
`re_AND`, `re_weight`), modules/extra_networks.py, modules/processing_scripts/comments.py;
comfyanonymous/ComfyUI:comfy/sd1_clip.py (`escape_important`), README.md; docs.novelai.net on strengthening.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

import msgspec

Target = Literal["training", "a1111", "comfyui", "novelai"]


class _Rule(msgspec.Struct, frozen=True):
    """How one target escapes."""

    escape: Callable[[str], str]
    unescape: Callable[[str], str]
    lost: tuple[tuple[re.Pattern[str], str], ...] = ()
    """What cannot be escaped, and what the target makes of it."""


_A1111_SPECIAL: Final = re.compile(
    r"""[\\()\[\]]                                  # emphasis, schedules, and the escape itself
    | (?<!\w)A(?=ND(?!\w)) | (?<!\w)B(?=REAK(?!\w))   # the two words that cut a prompt
    | <(?=\w+:)                                       # <lora:…>
    | :(?=\s*[-+]?(?:\d+\.?|\d*\.\d+)\s*$)            # a number behind the last colon weighs the whole prompt
    """,
    re.VERBOSE,
)
_A1111_ESCAPED: Final = re.compile(r"\\(.?)", re.DOTALL)
_COMFYUI_SPECIAL: Final = re.compile(r"[()]")
_COMFYUI_ESCAPED: Final = re.compile(r"\\([()])")


def escape(text: str, target: Target) -> str:
    r"""The text as the target's prompt field wants it: `kaname (art)` → `kaname \(art\)` for A1111."""
    return _RULES[target].escape(text)


def unescape(text: str, target: Target) -> str:
    """Undo `escape`; what the target would read."""
    return _RULES[target].unescape(text)


def unescapable(text: str, target: Target) -> tuple[str, ...]:
    """What the target will not read as it stands, however it is spelled; one sentence each."""
    found = []
    for pattern, sentence in _RULES[target].lost:
        if match := pattern.search(text):
            found.append(f"'{match[0].strip()}': {sentence}")
    return tuple(found)


def _same(text: str) -> str:
    return text


def _escape_a1111(text: str) -> str:
    """A backslash before a special character; behind one that the parser gives no escape for.

    A backslash before an ordinary letter is dropped by the parser, and until then breaks up the word.
    """
    return _A1111_SPECIAL.sub(lambda found: f"\\{found[0]}" if found[0] in "\\()[]" else f"{found[0]}\\", text)


_RULES: Final[dict[Target, _Rule]] = {
    "training": _Rule(_same, _same),
    "a1111": _Rule(
        _escape_a1111,
        lambda text: _A1111_ESCAPED.sub(r"\1", text),
        ((re.compile(r"#[^\s,]*"), "A1111 takes the rest of the line for a comment, unless that is switched off"),),
    ),
    "comfyui": _Rule(
        lambda text: _COMFYUI_SPECIAL.sub(r"\\\g<0>", text),
        lambda text: _COMFYUI_ESCAPED.sub(r"\1", text),
        (
            (re.compile(r"//[^\s,]*"), "ComfyUI's page takes the rest of the line for a comment"),
            (re.compile(r"/\*"), "ComfyUI's page takes it for the beginning of a comment"),
            (re.compile(r"[{}]"), "ComfyUI's page takes it for a choice; there, write a backslash before it"),
            (re.compile(r"\\\|"), "ComfyUI's page drops the backslash"),
            (re.compile(r"(?:^|\s)embedding:\S*"), "ComfyUI takes it for the name of an embedding"),
        ),
    ),
    "novelai": _Rule(
        _same,
        _same,
        (
            (re.compile(r"[{}]+"), "NovelAI takes it for emphasis, and knows no escape"),
            (re.compile(r"[\[\]]+"), "NovelAI takes it for emphasis, and knows no escape"),
            (re.compile(r"-?[\d.]*::"), "NovelAI takes it for a weight's mark, and knows no escape"),
        ),
    ),
}

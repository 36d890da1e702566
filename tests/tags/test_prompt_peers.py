"""Our escaping and our parsers beside the programs' own code.

DSK_PEERS names a folder with `a1111/prompt_parser.py` (AUTOMATIC1111/stable-diffusion-webui:modules/) and
`comfyui/sd1_clip.py` (comfyanonymous/ComfyUI:comfy/). The functions that parse are taken out of the files and run;
nothing else of them is, so neither torch nor a web UI is needed. Schedules need the package lark as well.
"""

from __future__ import annotations

import ast
import os
import random
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from danbooru_names import every_name
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.tags.escaping import escape
from datakit.tags.names import to_prompt
from datakit.tags.syntax.schedules import find_schedules
from datakit.tags.syntax.table import SYNTAXES

pytestmark = pytest.mark.peers

Parsed = list[tuple[str, float]]
SIGNS = (
    "(",
    ")",
    "[",
    "]",
    ":",
    "|",
    "\\",
    "a",
    "b ",
    "1.2",
    "0.5",
    " ",
    "BREAK",
    ",",
    "\n",
    "(a:1.2)",
    r"\(",
    ":1.1)",
)
PROMPTS = st.lists(st.sampled_from(SIGNS), max_size=14).map("".join)


@cache
def parts_of(path: str, *names: str) -> dict[str, Any]:
    """The named functions and constants of a peer's file, run by themselves."""
    folder = os.environ.get("DSK_PEERS", "")
    file = Path(folder) / path
    if not folder or not file.is_file():
        pytest.skip(f"DSK_PEERS names no folder with {path}")
    space: dict[str, Any] = {"re": re}
    if "schedule_parser" in names:
        space["lark"] = pytest.importorskip("lark", reason="the peer's schedules need lark")
    with warnings.catch_warnings():  # about its own docstrings
        warnings.simplefilter("ignore")
        kept = [line for line in ast.parse(file.read_text("utf-8")).body if named(line) & {*names}]
        exec(compile(ast.Module(body=kept, type_ignores=[]), path, "exec"), space)
    return space


def named(line: ast.stmt) -> set[str]:
    if isinstance(line, ast.FunctionDef):
        return {line.name}
    targets = line.targets if isinstance(line, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def a1111(text: str) -> Parsed:
    """What the program reads, its own splitting at AND and at a weight behind the last colon included."""
    names = ("re_attention", "re_break", "parse_prompt_attention", "re_AND", "re_weight")
    peer = parts_of("a1111/prompt_parser.py", *names)
    prompts = peer["re_AND"].split(text)
    assert len(prompts) == 1, "AND cuts the prompt"
    weighed = peer["re_weight"].search(text)
    assert weighed is None or weighed.groups()[1] is None, "a number behind a colon weighs the prompt"
    return [(part, weight) for part, weight in peer["parse_prompt_attention"](text)]


def a1111_attention(text: str) -> Parsed:
    peer = parts_of("a1111/prompt_parser.py", "re_attention", "re_break", "parse_prompt_attention")
    return [(part, weight) for part, weight in peer["parse_prompt_attention"](text) if part]


def comfyui(text: str) -> Parsed:
    names = ("parse_parentheses", "token_weights", "escape_important", "unescape_important")
    peer = parts_of("comfyui/sd1_clip.py", *names)
    weighed = peer["token_weights"](peer["escape_important"](text), 1.0)
    return [(peer["unescape_important"](part), weight) for part, weight in weighed]


def schedules(text: str) -> list[list[Any]]:
    names = ("schedule_parser", "get_learned_conditioning_prompt_schedules")
    peer = parts_of("a1111/prompt_parser.py", *names)
    found: list[list[Any]] = peer["get_learned_conditioning_prompt_schedules"]([text], 10)[0]
    return found


PEERS = {"a1111": a1111, "comfyui": comfyui}


@pytest.mark.parametrize("target", PEERS)
def test_every_escaped_name_is_neutral_text_to_the_program(target: Any) -> None:
    parse = PEERS[target]
    prompts = [*map(to_prompt, every_name())]
    assert [text for text in prompts if parse(escape(text, target)) != [(text, 1.0)]] == []


@pytest.mark.parametrize("target", PEERS)
def test_captions_of_escaped_names_are_neutral_text_to_the_program(target: Any) -> None:
    parse = PEERS[target]
    names = list(every_name())
    random.Random(1).shuffle(names)
    bracketed = [name for name in names if set(name) & set("()[]:\\|")]
    for pool in (names, bracketed):
        for start in range(0, len(pool), 25):
            prompts = [*map(to_prompt, pool[start : start + 25])]
            together = ", ".join(prompts)
            assert parse(", ".join(escape(prompt, target) for prompt in prompts)) == [(together, 1.0)]
            assert parse(escape(together, target)) == [(together, 1.0)]


def test_no_escaped_name_is_a_schedule() -> None:
    special = [to_prompt(name) for name in every_name() if set(name) & set("[]|\\") or name.startswith(":")]
    others = random.Random(2).sample(every_name(), 300)
    for prompt in (*special, *map(to_prompt, others)):
        escaped = escape(prompt, "a1111")
        assert schedules(escaped) == [[10, escaped]]


@settings(max_examples=120, deadline=None)
@given(PROMPTS)
def test_any_prompt_is_read_as_a1111_reads_it(text: str) -> None:
    if find_schedules(text):
        return
    found = [(span.text, -1.0 if span.kind == "break" else span.weight) for span in SYNTAXES["a1111"].parse(text)]
    try:
        expected = a1111_attention(text)
    except ValueError:  # it stops at a weight such as 1.2.0.5
        return
    assert found == expected


@settings(max_examples=120, deadline=None)
@given(PROMPTS)
def test_any_prompt_is_read_as_comfyui_reads_it(text: str) -> None:
    found = [(span.text, span.weight) for span in SYNTAXES["comfyui"].parse(text)]
    assert found == [(part, weight) for part, weight in comfyui(text) if part]

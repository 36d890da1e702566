from __future__ import annotations

import pytest
from danbooru_names import SOME_NAMES, every_name
from hypothesis import example, given
from hypothesis import strategies as st

from datakit.tags.escaping import Target, escape, unescapable, unescape
from datakit.tags.names import to_canonical, to_prompt
from datakit.tags.syntax.model import Span
from datakit.tags.syntax.table import SYNTAXES

TARGETS: tuple[Target, ...] = ("training", "a1111", "comfyui", "novelai")
PROGRAMS = TARGETS[1:]


def there_and_back(name: str, target: Target) -> str:
    return to_canonical(unescape(escape(to_prompt(name), target), target))


@pytest.mark.parametrize("target", TARGETS)
def test_every_danbooru_name_survives_the_escaping(target: Target) -> None:
    names = every_name()
    assert len(names) > 140_000
    assert [name for name in names if there_and_back(name, target) != name] == []


@pytest.mark.parametrize("target", TARGETS)
@given(name=SOME_NAMES)
def test_every_name_by_the_rules_survives(target: Target, name: str) -> None:
    assert there_and_back(name, target) == name


@pytest.mark.parametrize("target", TARGETS)
@given(text=st.text())
@example(text="\\")
@example(text="\\\\(")
@example(text="AND BREAK <lora:x:1> (a:1.2) :3")
@example(text="a: 1.5 ")
def test_what_is_escaped_comes_back_letter_for_letter(target: Target, text: str) -> None:
    assert unescape(escape(text, target), target) == text


@pytest.mark.parametrize("target", PROGRAMS)
def test_every_escaped_name_is_neutral_text_to_our_own_parser(target: Target) -> None:
    parse = SYNTAXES[target].parse
    for prompt in map(to_prompt, every_name()):
        if parse(escape(prompt, target)) != (Span(prompt),):
            assert unescapable(prompt, target)


@pytest.mark.parametrize("target", ["a1111", "comfyui"])
@given(text=st.text(alphabet=st.characters(exclude_categories=["C"]), min_size=1))
@example(text="a BREAK b")
@example(text="(a:1.2) [b:c:0.5] [d|e] \\")
def test_any_escaped_text_is_neutral_text(target: Target, text: str) -> None:
    assert SYNTAXES[target].parse(escape(text, target)) == (Span(text),)


@pytest.mark.parametrize(
    ("text", "target", "escaped"),
    [
        ("kaname (art)", "training", "kaname (art)"),
        ("kaname (art)", "a1111", r"kaname \(art\)"),
        ("kaname (art)", "comfyui", r"kaname \(art\)"),
        ("kaname (art)", "novelai", "kaname (art)"),
        ("00 qan[t]", "a1111", r"00 qan\[t\]"),
        ("00 qan[t]", "comfyui", "00 qan[t]"),
        (r"\(^o^)/", "a1111", r"\\\(^o^\)/"),
        (r"\(^o^)/", "comfyui", r"\\(^o^\)/"),
        (r"\m/", "a1111", r"\\m/"),
        (r"\m/", "comfyui", r"\m/"),
        (":3", "a1111", r":\3"),
        ("1girl, :3", "a1111", r"1girl, :\3"),
        (":3, 1girl", "a1111", ":3, 1girl"),
        ("x (reverse:1999)", "a1111", r"x \(reverse:1999\)"),
        ("rock AND roll BREAK dance", "a1111", r"rock A\ND roll B\REAK dance"),
        ("<lora:x:1>", "a1111", r"<\lora:x:1>"),
        ("sand, breaks", "a1111", "sand, breaks"),
    ],
)
def test_spellings(text: str, target: Target, escaped: str) -> None:
    assert escape(text, target) == escaped


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("1girl, #compass, hat", "a1111", "'#compass': A1111 takes the rest of the line for a comment"),
        (".hack//sign", "comfyui", "'//sign': ComfyUI's page takes the rest of the line"),
        ("{a}", "comfyui", "a choice"),
        (r"\||/", "comfyui", "drops the backslash"),
        ("a embedding:b", "comfyui", "the name of an embedding"),
        ("late[st]", "novelai", "knows no escape"),
        ("{a}", "novelai", "knows no escape"),
        ("1.5::a", "novelai", "a weight's mark"),
    ],
)
def test_what_no_spelling_can_save_is_said(text: str, target: Target, said: str) -> None:
    assert any(said in sentence for sentence in unescapable(text, target))


def test_few_names_cannot_be_escaped() -> None:
    lost = {target: [name for name in every_name() if unescapable(to_prompt(name), target)] for target in TARGETS}
    assert lost["training"] == []
    assert lost["novelai"] == ["under_night_in-birth_exe:late[st]", "00_qan[t]"]
    assert len(lost["a1111"]) == 11
    assert all("#" in name for name in lost["a1111"])
    assert all("//" in name or name == r"\||/" for name in lost["comfyui"])
    assert len(lost["comfyui"]) == 29

"""sd-scripts' prompt files: what they say, what is refused, and what [sample] adds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import ConfigError, InputError
from trainer.run_sections import SampleConfig
from trainer.sampling.prompt_file import Said, line, read
from trainer.sampling.prompts import Prompt, prompts_of

SAMPLE = SampleConfig(negative="bad", steps=20, guidance=5.0, seed=1)

LINES = {
    "a cat": Said("x", "a cat"),
    "a cat --n blurry, text --w 768 --h 1024 --d 7 --l 5.5 --s 28": Said(
        "x", "a cat", "blurry, text", 768, 1024, 28, 5.5, 7
    ),
    "  a cat   --W 512  ": Said("x", "a cat", width=512),
    "a cat\t--w\t512": Said("x", "a cat", width=512),
    "rock--n--roll, well-known": Said("x", "rock--n--roll, well-known"),
    "a (cat:1.2), 猫 --n": Said("x", "a (cat:1.2), 猫", negative=""),
    "a --l .5 --l 7.": Said("x", "a", guidance=7.0),
}
WRONG = {
    "--n blurry": "begins with an option",
    "a --x 3": "there is no --x",
    "a --width 512": "there is no --width",
    "a -- b": "`--` stands alone",
    "a --ss euler_a": "--ss, a sampler's name, has no effect",
    "a --w 512px": "--w: '512px' is no whole number",
    "a --w": "--w: '' is no whole number",
    "a --w 0": "--w: is not between 1 and 8192",
    "a --s 1001": "--s: is not between 1 and 1000",
    "a --d -1": "--d: '-1' is no whole number",
    "a --l 1.2.3": "--l: '1.2.3' is no number",
    "a --l nan": "--l: 'nan' is no number",
    "a --s ٣": "--s: '٣' is no whole number",
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_says(text: str) -> None:
    assert line(text, "x") == LINES[text]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_line_is_refused_with_its_number(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f"# a comment\n\na cat\n{text}\n", "utf-8")
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: line 4: ")
    assert WRONG[text] in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "meant"), [("a --width 5", "--w"), ("a --negative_promt x", "--n"), ("a --sed 5", "--d")]
)
def test_a_word_instead_of_a_letter_is_understood_in_the_hint(text: str, meant: str) -> None:
    with pytest.raises(InputError) as caught:
        line(text, "x")
    assert caught.value.hint == f"did you mean {meant}?"


def test_text_is_read_with_comments_blank_lines_and_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeff# one\r\na cat --d 3\r\n\r\n   # two\r\n  a dog, a line\u2028 in two  \r\n".encode())
    assert [(said.text, said.seed) for said in read(path)] == [("a cat", 3), ("a dog, a line\u2028 in two", None)]


TOML = """
[prompt]
width = 512
negative_prompt = "blurry"
scale = 7
[[prompt.subset]]
prompt = "a cat"
seed = 4
[[prompt.subset]]
prompt = "a dog"
width = 768
sample_steps = 9
"""


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(TOML)
    rows = [
        "a cat --w 512 --n blurry --l 7 --d 4",
        {"prompt": "a dog", "width": 768, "negative_prompt": "blurry", "scale": 7.0, "sample_steps": 9, "seed": None},
    ]
    (tmp_path / "p.json").write_text(json.dumps(rows))
    found = [[(*said.__dict__.values(),)[1:] for said in read(tmp_path / name)] for name in ("p.toml", "p.json")]
    assert found[0] == found[1]
    assert [said.seed for said in read(tmp_path / "p.toml")] == [4, None]


FILES = {
    "p.md": ("a cat", "is no prompt file"),
    "empty.txt": ("# nothing\n\n", "there is no prompt in it"),
    "latin.txt": (b"caf\xe9", "is not UTF-8 text"),
    "p.toml": ("[prompt]\nprompt = 'a'", r"there is no [[prompt.subset]]"),
    "q.toml": ("[[prompt.subset]]\nprompt = 3", "subset 1: prompt: is no text"),
    "r.toml": ("prompts = 1\n[[prompt.subset]]\nprompt = 'a'", "there is no prompts"),
    "s.toml": ("[[prompt.subset", "is not valid TOML"),
    "t.toml": ("[[prompt.subset]]\nprompt = 'a'\nscale = inf", "scale: is no number of at least 0"),
    "u.toml": ("[prompt]\nsubset = [1]", "subset 1: is no table"),
    "p.json": ('{"prompt": "a"}', "is no list"),
    "q.json": ("[1]", "prompt 1: is neither text nor an object"),
    "r.json": ('["a", {"prompt": "a", "hight": 8}]', "prompt 2: there is no hight"),
    "s.json": ('[{"prompt": "a", "width": true}]', "width: is no whole number"),
    "t.json": ("[" * 100_000, "is not valid JSON"),
    "u.json": ('[{"prompt": "a", "sample_sampler": "ddim"}]', "sample_sampler, a sampler's name, has no effect"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_wrong_file_is_refused(name: str, tmp_path: Path) -> None:
    content, told = FILES[name]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert caught.value.message.startswith(str(tmp_path / name))
    assert told in caught.value.message
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "gone.txt")


@given(st.text())
def test_no_line_crashes(text: str) -> None:
    try:
        said = line(text, "x")
    except InputError:
        return
    assert said.text == said.text.strip() != ""


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"], exclude_characters="-"), min_size=1),
    st.fixed_dictionaries(
        {},
        optional={
            "w": st.integers(1, 8192),
            "h": st.integers(1, 8192),
            "d": st.integers(0, 2**64 - 1),
            "s": st.integers(1, 1000),
            "l": st.floats(0, 100).map(lambda value: round(value, 3)),
        },
    ),
)
def test_what_is_written_is_read(text: str, options: dict[str, float]) -> None:
    names = {"w": "width", "h": "height", "d": "seed", "s": "steps", "l": "guidance"}
    written = " ".join(
        [
            text,
            *(
                f"--{letter} {value:.3f}" if letter == "l" else f"--{letter} {value}"
                for letter, value in options.items()
            ),
        ]
    )
    assert line(written, "x") == Said("x", text, **{names[letter]: value for letter, value in options.items()})


def test_plain_prompts_have_what_sample_says_and_a_row_each() -> None:
    found = prompts_of(
        SampleConfig(prompts=("a", "b"), negative="bad", size=(64, 32)), ("c",), native_px=512, stride_px=8
    )
    assert found == (Prompt("a", "bad", (64, 32), 20, 5.0, 1, 0), Prompt("b", "bad", (64, 32), 20, 5.0, 1, 1))
    assert prompts_of(SAMPLE, ("c",), native_px=512, stride_px=8) == (Prompt("c", "bad", (512, 512), 20, 5.0, 1, 0),)


def test_a_file_is_completed_by_sample(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a\nb --w 768 --d 7 --n\nc --l 0 --s 3 --n worse\n")
    sample = SampleConfig(prompt_file=str(path), negative="bad", guidance=5.0)
    assert prompts_of(sample, ("never",), native_px=1024, stride_px=8) == (
        Prompt("a", "bad", (1024, 1024), 20, 5.0, 1, 0),
        Prompt("b", "", (768, 1024), 20, 5.0, 7, 0),
        Prompt("c", "worse", (1024, 1024), 3, 0.0, 1, 2),
    )


def test_an_odd_size_is_refused_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("a\nb --w 770 --h 3\n")
    with pytest.raises(InputError) as caught:
        prompts_of(SampleConfig(prompt_file=str(path)), (), native_px=512, stride_px=8)
    assert caught.value.message == f"{path}: line 2: 770 x 3 px are no multiples of 8"
    assert caught.value.hint == "768 x 8 is the nearest"


def test_prompts_beside_a_file_are_refused() -> None:
    with pytest.raises(ConfigError, match="are both set"):
        prompts_of(SampleConfig(prompts=("a",), prompt_file="p.txt"), (), native_px=512, stride_px=8)

"""The house keeps its shape: sizes, names, import contracts, a light start, documented and tested plugins."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from statistics import median

import msgspec
import pytest

from datakit.actions.project import STAGES
from datakit.cli.main import COMMANDS
from datakit.config import decode, field_docs
from datakit.exports.model import EXPORTS
from datakit.lint.engine import RULES
from datakit.lint.formats.model import FORMATS
from datakit.lint.targets.model import TARGETS
from datakit.model.order import ORDER
from datakit.sources.model import SOURCES

ROOT = Path(__file__).parent.parent
PACKAGES = ("datakit", "stages", "trainer")
SOURCES_OF = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
ALL_FILES = SOURCES_OF + sorted((ROOT / "tests").rglob("*.py"))
HEAVY = {"numpy", "PIL", "pygit2", "onnxruntime", "torch", "diffusers", "transformers", "rich", "msgspec"}
FAMILIES = {
    "stages": STAGES,
    "exports": EXPORTS,
    "rules": RULES,
    "sources": SOURCES,
    "formats": FORMATS,
    "targets": TARGETS,
}


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file, the module first."""
    return tuple(ast.walk(ast.parse(path.read_text("utf-8"))))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short_and_says_what_it_is(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.count("\n") <= 400
    assert path.stem not in {"utils", "util", "common", "helpers", "misc"}
    if path in SOURCES_OF:
        assert ast.get_docstring(ast.parse(text)), "a module's docstring is its documentation"


def test_functions_are_short() -> None:
    sizes = {f"{path.relative_to(ROOT)}:{f.name}": lines_of(f) for path in SOURCES_OF for f in functions(path)}
    assert median(sizes.values()) <= 10
    assert not {name: size for name, size in sizes.items() if size > 60}


def test_functions_take_few_parameters() -> None:
    too_many = [
        f"{path.relative_to(ROOT)}:{f.name}"
        for path in SOURCES_OF
        for f in functions(path)
        if len([a for a in (*f.args.posonlyargs, *f.args.args, *f.args.kwonlyargs) if a.arg not in {"self", "cls"}]) > 6
    ]
    assert not too_many


def test_nothing_swallows_every_error() -> None:
    bad = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES_OF
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
        and all(isinstance(line, ast.Pass) for line in node.body)
    ]
    assert not bad


def test_import_contracts() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def loaded_by(*code: str) -> set[str]:
    text = ";".join((*code, "import sys; print(*{name.partition('.')[0] for name in sys.modules})"))
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    help_ = "from datakit.cli.main import cli; cli.main(['--help'], standalone_mode=False)"
    assert not loaded_by(help_) & HEAVY


def test_looking_needs_neither_numpy_nor_torch() -> None:
    assert not loaded_by("import datakit.cli.commands.status") & (HEAVY - {"PIL", "pygit2", "msgspec"})


def test_the_trainer_package_imports_no_torch() -> None:
    assert not loaded_by("import trainer, trainer.config, trainer.cli") & {"torch", "diffusers", "transformers"}


@pytest.mark.parametrize(("family", "name"), [(f, n) for f, family in FAMILIES.items() for n in family.names()])
def test_plugin_loads_and_is_documented(family: str, name: str) -> None:
    plugin = FAMILIES[family].load(name)
    assert getattr(plugin, "name", name).replace("-", "_") == name.replace("-", "_")
    if options := getattr(plugin, "options", None):
        assert decode({}, options, where=name) == options(), "every option has a default"
        assert set(field_docs(options)) == {field.name for field in msgspec.structs.fields(options)}
    assert len(FAMILIES[family].summary(name)) > 10
    settings = getattr(plugin, "settings", None)
    if settings is not None:
        assert decode({}, settings, where=name) == settings(), "every setting has a default"
        assert set(field_docs(settings)) == {field.name for field in msgspec.structs.fields(settings)}


def test_stages_are_the_order() -> None:
    assert set(STAGES.names()) == set(ORDER)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_explains_itself(
    dsk: Callable[..., subprocess.CompletedProcess[str]], name: str
) -> None:
    done = dsk(ROOT, name, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: dsk {name}" in done.stdout

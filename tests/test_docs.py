"""What the pages say is so: links lead somewhere, commands exist, generated pages are what the code says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = ("resources.md", "configuration.md", "commands.md")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
written_page = pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in GENERATED], ids=lambda page: str(page.relative_to(ROOT))
)


def generator() -> ModuleType:
    """docs/generate.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_generate"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["resources.md", "configuration.md"])
def test_a_generated_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") == generator().pages()[name], (
        "run: make docs"
    )


def test_the_page_of_commands_is_what_the_programs_say() -> None:
    """A model that is new in the tree, as from ``make model``, gets on the page with the next ``make docs``."""
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    listed = re.findall(r"^## python -m ml_jobs\.(\w+)$", page, re.MULTILINE)
    assert {"flight_delay", "template"} <= set(listed) <= set(generator().models())
    assert page == generator().commands(listed), "run: make docs"


def test_the_page_of_commands_misses_none() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"^    (?!python)(\w+) {2,}\w", (ROOT / "ops/__init__.py").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert len(named) > 10
    assert {name for name in named if f"\n### {name}\n" not in page} == set()


def test_decisions_are_numbered_without_a_gap() -> None:
    files = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    for number, path in enumerate(files, start=1):
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. "), path.name
        assert "| option | why not |" in text, f"{path.name}: the options that lost"


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@written_page
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"^make ([a-z]+)\b", "\n".join(code(page)), re.MULTILINE))
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


@each_page
def test_modules_exist(page: Path) -> None:
    for name in set(re.findall(r"python -m ([a-z_.]+)", "\n".join(code(page)))) - {"venv", "pip", "pytest"}:
        assert (ROOT / f"{name.replace('.', '/')}.py").exists() or (ROOT / name / "__main__.py").exists(), name


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    rooms = "components|ml_jobs|ops|sandbox|tests|docs"
    named = set(re.findall(rf"`((?:{rooms})/[\w./-]*\w)`", page.read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / name).exists()} == set()


def code(page: Path) -> list[str]:
    """Fenced blocks and code in lines."""
    text = page.read_text(encoding="utf-8")
    return [*re.findall(r"```\w*\n(.*?)```", text, re.DOTALL), *re.findall(r"`([^`\n]+)`", text)]

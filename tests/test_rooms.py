"""The rooms keep to themselves: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("components", "policies", "ml_jobs", "ops", "sandbox")
SETTINGS = (
    "settings",
    "settings_load",
    "settings_rules",
    "yaml_lines",
    "azure_regions",
    "roles",
    "vm_sizes",
    "schemas",
)
# What the program and releases read alike.
FILES = ("naming", "model_file", "live_file", "checkout", "azure_client")
FORBIDDEN = {
    "components": ("ml_jobs", "ops", "sandbox", "policies"),
    "policies": ("ml_jobs", "ops", "sandbox", "components"),
    # naming says what a content version is, for the stack, the snapshot and a run's commit; it imports nothing.
    "ml_jobs": ("pulumi", "pulumi_azure_native", "components", "policies", "ops", "sandbox", *SETTINGS, *FILES[1:]),
    "ops": ("pulumi", "pulumi_azure_native", "components", "policies", "sandbox", *SETTINGS),
    "sandbox": ("components", "policies", "ml_jobs", "ops", *SETTINGS, *FILES),
}
SOURCES = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    assert not imported(path) & set(FORBIDDEN[room])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_every_test_file_is_collected() -> None:
    lost = [
        path for path in (ROOT / "tests").rglob("*.py")
        if not path.name.startswith("test_") and path.name not in ("conftest.py", "__init__.py")
        and "def test_" in path.read_text(encoding="utf-8")
    ]  # fmt: skip
    assert lost == []


def test_only_the_clock_asks_for_time_and_ids() -> None:
    """Elsewhere in the control plane a test could not fix them."""
    found = {}
    for path in sorted((ROOT / "sandbox").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name != "clock.py" and ("datetime.now(" in text or "uuid.uuid4(" in text):
            found[path.name] = True
    assert found == {}


def test_types_are_named_in_types_only() -> None:
    """The core knows no ARM type: what is special about one stands in its own file.

    Left out: the two tables of facts (built-in roles; where Pulumi's types stand in ARM), ids.py, which reads the
    two types that ARM's own paths spell without a provider, and data planes, which look up the resource they serve.
    """
    tables = {"roles.py", "tokens.py", "ids.py"}
    found = []
    for folder in ("arm", "store", "gateway"):
        for path in sorted((ROOT / "sandbox" / folder).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            words = [
                node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
            docs = {ast.get_docstring(node, clean=False) for node in ast.walk(tree)
                    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))}  # fmt: skip
            named = [
                word for word in words if word not in docs and word.startswith("Microsoft.") and word.count("/") >= 1
            ]
            if named and path.name not in tables:
                found.append((path.name, named))
    assert found == [("schema.py", ["Microsoft.Resources/resourceGroups"])] or found == []

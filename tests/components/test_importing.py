"""Many resources are worked on at once, and the first of them import the client libraries."""

import ast
from pathlib import Path

import pytest

from azure_client import alone

ROOT = Path(__file__).resolve().parents[2]


def imports_of_azure(tree: ast.AST, guarded: bool = False) -> list[tuple[int, bool]]:
    """Line of each import of a client library, and whether it waits for others or is for type checking only."""
    found: list[tuple[int, bool]] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
            found += [(node.lineno, guarded) for name in modules if name.partition(".")[0] == "azure"]
            continue
        waits = isinstance(node, ast.With) and [ast.unparse(item.context_expr) for item in node.items] == ["alone"]
        typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        found += imports_of_azure(node, guarded or waits or typing)
    return found


@pytest.mark.parametrize(
    "path", [ROOT / "azure_client.py", *sorted((ROOT / "components").glob("*.py"))], ids=lambda path: path.name
)
def test_client_libraries_are_imported_by_one_thread_at_a_time(path: Path) -> None:
    """Two threads that began with different modules of azure-core saw half of it, and an update failed."""
    lines = imports_of_azure(ast.parse(path.read_text(encoding="utf-8")))
    assert [line for line, guarded in lines if not guarded] == []


def test_while_one_imports_nobody_else_does() -> None:
    with alone:
        assert not alone.acquire(blocking=False)

"""Depth is earned: this plugin writes down which passed tests prove what about which ARM type.

``pytest --evidence docs/reference/evidence.json`` keeps it; ``python -m sandbox.evidence`` prints the page from it.
A run with faults armed by hand or with a failed contract test proves nothing about that type.
"""

import json
from pathlib import Path
from typing import Any

import pytest

_FOUND: dict[str, dict[str, set[str]]] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--evidence", type=Path, help="write which tests prove which ARM type here")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "runs(arm_type): the test sees the real work of this ARM type being done")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when != "call" or not report.passed:
        return
    for name, value in report.user_properties:
        depth, _, arm_type = str(value).partition(" ")
        if name == "proves":
            found = _FOUND.setdefault(arm_type, {"enforced": set(), "runs": set()})
            found[depth].add(report.nodeid.partition("[")[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("runs"):
            item.user_properties.append(("proves", f"runs {mark.args[0]}"))
        call: Any = getattr(item, "callspec", None)
        if call is not None and "arm_type" in call.params and "contract" in item.nodeid:
            item.user_properties.append(("proves", f"enforced {call.params['arm_type']}"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    path: Path | None = session.config.getoption("--evidence")
    if path is not None and not hasattr(session.config, "workerinput"):
        shown = {
            arm: {depth: sorted(tests) for depth, tests in sorted(by.items())} for arm, by in sorted(_FOUND.items())
        }
        path.write_text(json.dumps(shown, indent=1) + "\n", encoding="utf-8")

"""No type claims a depth that no test has shown."""

import json
from pathlib import Path

from sandbox.arm.kind import Kind
from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema
from sandbox.evidence import page, unproven

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = Registry.find(Schema(Path("unused")))
EVIDENCE = json.loads((ROOT / "docs/reference/evidence.json").read_text(encoding="utf-8"))
REPAIR = "make docs"


def test_every_level_is_proven() -> None:
    assert unproven(REGISTRY, EVIDENCE) == [], REPAIR


def test_the_tests_that_prove_are_still_there() -> None:
    named = {test for proofs in EVIDENCE.values() for tests in proofs.values() for test in tests}
    gone = []
    for test in sorted(named):
        file, _, name = test.partition("::")
        path = ROOT / file
        if not path.exists() or f"def {name.rpartition('::')[2]}(" not in path.read_text(encoding="utf-8"):
            gone.append(test)
    assert gone == [], REPAIR


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs/reference/resources.md").read_text(encoding="utf-8") == page(REGISTRY, EVIDENCE), REPAIR


def test_a_level_without_evidence_is_found() -> None:
    class Boast(Kind):
        """Claims more than it shows."""

        arm_type = "Microsoft.Test/boasts"
        level = "runs"

    lone = Registry([Boast()], Schema(Path("unused")))
    assert len(unproven(lone, {})) == 2
    assert unproven(lone, {"Microsoft.Test/boasts": {"enforced": ["t"], "runs": ["t"]}}) == []

"""The page that says at which depth each type lives, and which tests prove it.

python -m sandbox.evidence docs/reference/evidence.json > docs/reference/resources.md
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sandbox.arm.registry import Registry
from sandbox.arm.schema import Schema
from sandbox.home import Home

Evidence = Mapping[str, Mapping[str, list[str]]]

_HEAD = """# Resources of the sandbox

Generated from `sandbox/types` and from a test run; do not edit. *runs*: the real work is done. *enforced*: the rules
and outputs of Azure hold. *recorded*: inputs are checked against the provider package's types, kept and listed.
A level is shown only when tests of the named number passed; an unknown type or property is refused.
"""


def page(registry: Registry, evidence: Evidence) -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *_table(registry, evidence), "", *_differences(registry)]).rstrip() + "\n"


def unproven(registry: Registry, evidence: Evidence) -> list[str]:
    """Types whose declared level no passed test proves."""
    found = []
    for kind in registry:
        proofs = evidence.get(kind.arm_type, {})
        if kind.level == "runs" and not proofs.get("runs"):
            found.append(f"{kind.arm_type} is declared 'runs' and no test marked runs({kind.arm_type!r}) passed")
        if kind.level != "recorded" and not kind.made_by_azure and not proofs.get("enforced"):
            found.append(f"{kind.arm_type} is declared '{kind.level}' and no contract test of it passed")
    return found


def _table(registry: Registry, evidence: Evidence) -> Iterator[str]:
    yield "| ARM type | depth | contract tests | tests of real work |"
    yield "| --- | --- | --- | --- |"
    for kind in sorted(registry, key=lambda each: each.arm_type.lower()):
        proofs = evidence.get(kind.arm_type, {})
        contract, work = len(proofs.get("enforced", [])), len(proofs.get("runs", []))
        yield f"| `{kind.arm_type}` | {kind.level} | {contract} | {work} |"


def _differences(registry: Registry) -> Iterator[str]:
    yield "## Where the sandbox differs from Azure"
    yield ""
    for kind in sorted(registry, key=lambda each: each.arm_type.lower()):
        for what, how in kind.differs.items():
            yield f"- `{kind.arm_type}`, {what}: {how}"


if __name__ == "__main__":
    sys.stdout.write(
        page(Registry.find(Schema(Home.find().cache)), json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    )

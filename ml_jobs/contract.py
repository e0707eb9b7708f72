"""The data contract: reads ``contract.yaml`` into typed expectations and refuses what it does not know."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ml_jobs import step
from ml_jobs.kinds import KINDS


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """One check of one column.

    Attributes:
        column: column that it judges.
        kind: name in ``kinds.KINDS``.
        wanted: the kind's keys and values as the contract has them.
    """

    column: str
    kind: str
    wanted: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table of the contract.

    Attributes:
        name: how reports call it.
        path: file below the data folder; ``{month}`` stands for each month.
        identify: columns that tell a reader which row is meant.
        expectations: its checks, in the contract's order.
    """

    name: str
    path: str
    identify: tuple[str, ...]
    expectations: tuple[Expectation, ...]


def load(path: Path) -> tuple[Table, ...]:
    """Reads a contract.

    Raises:
        step.StepError: an unknown or missing key or kind; names the place and what is accepted.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise step.StepError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        at = f":{mark.line + 1}" if mark else ""
        raise step.StepError(f"{path}{at}: not YAML: {what or error}") from None
    if not isinstance(document, dict) or not document:
        raise step.StepError(f"{path}: want a mapping of tables")
    return tuple(_table(path, name, value) for name, value in document.items())


def _table(path: Path, name: str, value: Any) -> Table:
    where = f"{path}: {name}"
    _demand_keys(where, value, frozenset({"path", "identify", "columns"}), frozenset({"path", "identify", "columns"}))
    expectations = []
    for column, kinds in value["columns"].items():
        _demand_keys(f"{where}.{column}", kinds, frozenset(KINDS))
        for kind, wanted in kinds.items():
            _demand_keys(f"{where}.{column}.{kind}", wanted, KINDS[kind].keys, KINDS[kind].needs)
            expectations.append(Expectation(column=column, kind=kind, wanted=wanted))
    return Table(name=name, path=value["path"], identify=tuple(value["identify"]), expectations=tuple(expectations))


def _demand_keys(where: str, value: Any, accepted: frozenset[str], needed: frozenset[str] = frozenset()) -> None:
    if not isinstance(value, dict) or not value:
        raise step.StepError(f"{where}: want a mapping with some of {', '.join(sorted(accepted))}")
    unknown, missing = value.keys() - accepted, needed - value.keys()
    if unknown:
        raise step.StepError(
            f"{where}: unknown {', '.join(sorted(map(str, unknown)))}; accepted are {', '.join(sorted(accepted))}"
        )
    if missing:
        raise step.StepError(f"{where}: missing {', '.join(sorted(missing))}")

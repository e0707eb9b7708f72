"""Writes a further model: its folder, its tests and its line of configuration, from ``ml_jobs/template``.

    python -m ml_jobs.scaffold --name wine --stack dev

The template is a whole model itself, of wines, and runs under its own name too. Its copy trains, serves and passes its
tests as it is; then it is yours to change. Nothing else is touched: a preview shows this model's resources and no
change of another's. A name that the stack lists already keeps its line. Exit code 2, and nothing written, for a name or
a stack that will not do.
"""

import argparse
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

TEMPLATE = "template"
_MODELS = Path("ml_jobs")
_TESTS = Path("tests/ml_jobs")
_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){2,23}")
_KEY, _PLATFORM = "mlops:models", "mlops:platform"


# What makes a model one's own, in the order in which it is written.
YOURS = {
    "snapshot.py": "where its data comes from",
    "contract.yaml": "what the data must hold",
    "prepare.py": "from data to rows",
    "features.py": "from a row to numbers",
    "train.py": "from numbers to a model",
    "request.schema.json": "what callers may send",
    "sample_request.json": "one such request",
    "model.yaml": "its description, its inputs, and questions whose answers are known",
}


def main() -> None:
    """Writes the files and says what to do next."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.scaffold", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", required=True, help="name of the model, such as wine")
    parser.add_argument("--stack", default="dev", help="stack that gets it (%(default)s)")
    given = parser.parse_args()
    listed = given.name in _listed(Path.cwd(), given.stack)
    problems = scaffold(Path.cwd(), given.name, given.stack)
    if problems:
        print("\n".join(f"error: {problem}" for problem in problems), file=sys.stderr)
        sys.exit(2)
    folder = _MODELS / _folder(given.name)
    file = f"Pulumi.{given.stack}.yaml"
    line = f"; {file} lists it already" if listed else f", `- name: {given.name}` in {file}"
    print(f"written: {folder}/, {_TESTS / folder.name}/{line}")
    print(f"its tests:  .venv/bin/python -m pytest {_TESTS / folder.name}")
    print(f"to run it:  make up STACK={given.stack}")
    print("It is an example, about wines. To make it yours, replace these first, in this order:")
    print("\n".join(f"    {(folder / name).as_posix():<44} {what}" for name, what in YOURS.items()))


def scaffold(root: Path, name: str, stack: str) -> list[str]:
    """Writes model ``name`` below a project's root and adds it to a stack that does not list it yet.

    Returns:
        What stands against it, each with its repair; nothing was written then.
    """
    problems = [*_problems_of_name(root, name), *_problems_of_stack(root, name, stack)]
    if problems:
        return problems
    for room in (_MODELS, _TESTS):
        _copy(root / room / TEMPLATE, root / room / _folder(name), name)
    if name in _listed(root, stack):
        return []
    path = root / f"Pulumi.{stack}.yaml"
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    path.write_bytes(_with_model(text, name).encode())
    return []


def _folder(name: str) -> str:
    return name.replace("-", "_")


def _problems_of_name(root: Path, name: str) -> list[str]:
    if not _NAME.fullmatch(name):
        wanted = "3 to 24 lower-case letters, digits and single hyphens, a letter first"
        return [f"NAME={name}: want {wanted}; for example: make model NAME=wine"]
    if keyword.iskeyword(_folder(name)):
        return [f"NAME={name}: is a word of Python's own and cannot be a package; add to it, such as {name}-model"]
    taken = [
        path for room in (_MODELS, _TESTS) for path in (room / _folder(name), room / f"{_folder(name)}.py")
        if (root / path).exists()
    ]  # fmt: skip
    return [f"NAME={name}: {path} is there already; choose another name, or remove it first" for path in taken]


def _problems_of_stack(root: Path, name: str, stack: str) -> list[str]:
    path = root / f"Pulumi.{stack}.yaml"
    known = sorted(found.name.split(".")[1] for found in root.glob("Pulumi.*.yaml"))
    if not path.is_file():
        return [f"STACK={stack}: {path.name} is missing; want one of {', '.join(known) or 'none yet'}"]
    models = _listed(root, stack)
    if name in models:
        return []
    if not re.search(rf"^ +{_KEY}:[ ]*(?:\[\])?[ ]*(?:#.*)?$", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
        return [f"{path.name}: has no list {_KEY}; add the line `  {_KEY}: []` under config"]
    if any(each.get("promoted") for each in models.values()) and not _trains(root, stack):
        repair = f"make model NAME={name}; then list it in {path.name} with `promoted: true`"
        return [
            f"STACK={stack}: takes promoted models and has no cluster; write it in a stack that trains, {repair}",
        ]
    return []


def _config(root: Path, stack: str) -> dict[str, Any]:
    """The configuration of a stack; empty when it cannot be read, which a preview says better."""
    try:
        content = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return {}
    config = content.get("config") if isinstance(content, dict) else None
    return config if isinstance(config, dict) else {}


def _listed(root: Path, stack: str) -> dict[str, dict[str, Any]]:
    """What a stack lists, by name."""
    listed = _config(root, stack).get(_KEY)
    models = listed if isinstance(listed, list) else []
    return {str(each.get("name")): each for each in models if isinstance(each, dict)}


def _trains(root: Path, stack: str) -> bool:
    """Whether a stack, or the one whose platform it uses, has a cluster."""
    platform = _config(root, stack).get(_PLATFORM)
    if isinstance(platform, dict) and "existing" in platform:
        platform = _config(root, str(platform["existing"])).get(_PLATFORM)
    return isinstance(platform, dict) and bool(platform.get("clusters"))


def _copy(source: Path, target: Path, name: str) -> None:
    """Copies a folder under another name, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".scaffold-") as scratch:
        built = Path(scratch) / target.name
        shutil.copytree(source, built, ignore=shutil.ignore_patterns("__pycache__"))
        for path in built.rglob("*"):
            if path.is_file():
                path.write_bytes(_renamed(path.read_text(encoding="utf-8"), name).encode())
        built.rename(target)


def _renamed(text: str, name: str) -> str:
    """Packages, paths in them and component names take the folder's name, anything else the model's."""
    text = re.sub(rf"\b(ml_jobs[./]){TEMPLATE}\b", rf"\g<1>{_folder(name)}", text)
    text = re.sub(rf"\b{TEMPLATE}_(?=\w)", f"{_folder(name)}_", text)
    return re.sub(rf"\b{TEMPLATE}\b", name, text)


def _with_model(text: str, name: str) -> str:
    """Adds a model to the end of the stack's list; every other byte stays."""
    lines = text.splitlines(keepends=True)
    start = next(number for number, line in enumerate(lines) if re.match(rf" +{_KEY}:", line))
    ending = "\r\n" if lines[start].endswith("\r\n") else "\n"
    key_indent = len(lines[start]) - len(lines[start].lstrip())
    end, item_indent = start + 1, key_indent + 2
    for number in range(start + 1, len(lines)):
        stripped = lines[number].strip()
        indent = len(lines[number]) - len(lines[number].lstrip())
        if not stripped or stripped.startswith("#"):
            continue
        if indent < key_indent or (indent == key_indent and not stripped.startswith("- ")):
            break
        if end == start + 1:
            item_indent = indent
        end = number + 1
    lines[start] = re.sub(r":[ ]*\[\]", ":", lines[start])
    if not lines[end - 1].endswith("\n"):
        lines[end - 1] += ending
    lines.insert(end, f"{' ' * item_indent}- name: {name}{ending}")
    return "".join(lines)


if __name__ == "__main__":
    main()

"""Writes a further model: its folder, its tests and its line of configuration, from ``ml_jobs/template``.

    python -m ml_jobs.scaffold --name wine --stack dev

The template is a whole model itself, of wines, and runs under its own name too. Its copy trains, serves and passes its
tests as it is; then it is yours to change. Nothing else is touched: a preview shows this model's resources and no
change of another's. Exit code 2, and nothing written, for a name or a stack that will not do.
"""

import argparse
import keyword
import re
import shutil
import sys
import tempfile
from pathlib import Path

TEMPLATE = "template"
_MODELS = Path("ml_jobs")
_TESTS = Path("tests/ml_jobs")
_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){2,23}")
_KEY = "mlops:models"


def main() -> None:
    """Writes the files and says what to do next."""
    parser = argparse.ArgumentParser(prog="python -m ml_jobs.scaffold", description=__doc__.partition("\n")[0])
    parser.add_argument("--name", required=True, help="name of the model, such as wine")
    parser.add_argument("--stack", default="dev", help="stack that gets it (%(default)s)")
    given = parser.parse_args()
    problems = scaffold(Path.cwd(), given.name, given.stack)
    if problems:
        print("\n".join(f"error: {problem}" for problem in problems), file=sys.stderr)
        sys.exit(2)
    folder = _MODELS / _folder(given.name)
    print(f"written: {folder}/, {_TESTS / folder.name}/, `- name: {given.name}` in Pulumi.{given.stack}.yaml")
    print(f"its tests:  .venv/bin/python -m pytest {_TESTS / folder.name}")
    print(f"to run it:  make up STACK={given.stack}")
    print(f"to make it yours: {folder}/model.yaml says what it is made of")


def scaffold(root: Path, name: str, stack: str) -> list[str]:
    """Writes model ``name`` below a project's root and adds it to a stack.

    Returns:
        What stands against it, each with its repair; nothing was written then.
    """
    problems = [*_problems_of_name(root, name), *_problems_of_stack(root, name, stack)]
    if problems:
        return problems
    for room in (_MODELS, _TESTS):
        _copy(root / room / TEMPLATE, root / room / _folder(name), name)
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
    text = path.read_text(encoding="utf-8")
    if not re.search(rf"^ +{_KEY}:[ ]*(?:\[\])?[ ]*(?:#.*)?$", text, flags=re.MULTILINE):
        return [f"{path.name}: has no list {_KEY}; add the line `  {_KEY}: []` under config"]
    if re.search(rf"^ +- name: *{re.escape(name)} *(?:#.*)?$", text, flags=re.MULTILINE):
        return [f"{path.name}: lists {name} already; choose another name, or remove it there"]
    return []


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

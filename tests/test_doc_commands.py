"""Every command of README, tutorial and how-tos is run as it is printed, page by page, in a fresh checkout.

Each ``sh`` block is a script of its own under ``set -e`` and has to end with 0; nothing is left out. README comes first
and its ``make up`` is the only one that begins with nothing: what it leaves is put back before each further page, so a
page works after ``make up`` alone, whatever other pages did.

Azure is the sandbox here. After a page's ``az login`` a shell has the sandbox's variables, as it would have a signed-in
user; ``az`` itself does nothing, and ``pulumi`` is a stand-in that hands its verbs to the sandbox's engine, also where
the real one is installed: what the two do alike is tested elsewhere, and the engine is quicker.
"""

import re
import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine import PYTHON, SOCKETS, Machine, make_machine

ROOT = Path(__file__).resolve().parents[1]
_README = ROOT / "README.md"
_RUN = [_README, *sorted((ROOT / "docs/how-to").glob("*.md")), ROOT / "docs/tutorial.md"]
_WRITTEN = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELLS = {"", "bash", "console", "shell", "shell-session", "zsh", "terminal", "cmd", "powershell", "pwsh"}
_STAND_INS = {
    "az": 'case "$*" in login|"ad app "*) ;; *) echo "az $*: no stand-in" >&2; exit 64 ;; esac',
    "pulumi": f"""
        verb=; stack=
        while [ $# -gt 0 ]; do
            case "$1" in -s) stack=$2; shift ;; -y|--yes) ;; *) verb="$verb $1" ;; esac
            shift
        done
        outputs=".sandbox/pulumi-$stack.json"
        case "$verb" in
            " login"|" stack init "*|" stack rm "*) ;;
            " preview"|" refresh") exec {PYTHON} -m sandbox $verb --stack "$stack" ;;
            " up") exec {PYTHON} -m sandbox up --stack "$stack" --outputs "$outputs" ;;
            " destroy") exec {PYTHON} -m sandbox destroy --stack "$stack" --yes ;;
            " stack output --json") exec cat "$outputs" ;;
            *) echo "pulumi$verb: no stand-in" >&2; exit 64 ;;
        esac""",
}


def blocks(page: Path) -> list[str]:
    """The commands of a page, block by block."""
    return [text for language, text in _FENCE.findall(page.read_text(encoding="utf-8")) if language == "sh"]


@dataclass
class Reader:
    """Somebody who types what a page says.

    Attributes:
        machine: their checkout.
        aside: folder for what is not the checkout's.
    """

    machine: Machine
    aside: Path

    def read(self, page: Path) -> list[str]:
        """Runs every block of a page; returns what each printed."""
        signed_in, printed = False, []
        for number, text in enumerate(blocks(page), start=1):
            script = self.aside / f"{page.stem}-{number}.sh"
            script.write_text(text, encoding="utf-8")
            signed_in = signed_in or "az login" in text
            path = f"{self.aside / 'bin'}:{self.machine.environment()['PATH']}"
            printed.append(self.machine.run(f"sh -e {script}", local=signed_in, PATH=path))
        return printed

    def keep(self) -> None:
        """Puts a copy of the sandbox aside."""
        self.machine.close()
        shutil.copytree(self.machine.folder / ".sandbox", self.aside / "sandbox", symlinks=True, ignore=SOCKETS)

    def put_back(self) -> None:
        """Makes checkout and sandbox what they were when README was read, with the gateway running."""
        self.machine.close()
        shutil.rmtree(self.machine.folder / ".sandbox", ignore_errors=True)
        shutil.copytree(self.aside / "sandbox", self.machine.folder / ".sandbox", symlinks=True, ignore=SOCKETS)
        kept = " ".join(f"-e '{name}'" for name in (".venv*", ".data", ".sandbox"))
        self.machine.run(f"git switch -q -f first && git clean -qfdx {kept}")
        self.machine.start_gateway()


@pytest.fixture(scope="module")
def aside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stand-ins, outside the checkout."""
    folder = tmp_path_factory.mktemp("aside")
    (folder / "bin").mkdir()
    for name, text in _STAND_INS.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{textwrap.dedent(text)}\n", encoding="utf-8")
        (folder / "bin" / name).chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A fresh checkout on which nothing ran yet."""
    made = make_machine(tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("home"))
    made.run("git branch -q -m first")
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def readme(machine: Machine, aside: Path) -> list[str]:
    """What README's blocks printed on that machine; what they left is kept."""
    reader = Reader(machine, aside)
    printed = reader.read(_README)
    reader.keep()
    return printed


def test_the_readme_leads_to_an_answer(readme: list[str]) -> None:
    assert '"probability"' in readme[1]


@pytest.mark.parametrize("page", [page for page in _RUN[1:] if blocks(page)], ids=lambda page: str(page.stem))
def test_a_page_can_be_typed_as_it_is_printed(page: Path, machine: Machine, aside: Path, readme: list[str]) -> None:
    reader = Reader(machine, aside)
    reader.put_back()
    reader.read(page)


def test_a_block_of_commands_is_called_sh_and_stands_where_it_is_run() -> None:
    fences = [(page, language) for page in _WRITTEN for language, _ in _FENCE.findall(page.read_text(encoding="utf-8"))]
    assert [(page.name, language) for page, language in fences if language.lower() in _SHELLS] == []
    assert {page for page, language in fences if language == "sh"} <= set(_RUN)
    assert sum(language == "sh" for _, language in fences) == sum(len(blocks(page)) for page in _RUN)


def test_no_fence_is_hidden_from_the_reader_of_pages() -> None:
    """An indented or unclosed fence would not be found, and not be run."""
    for page in _WRITTEN:
        text = page.read_text(encoding="utf-8")
        assert len(re.findall(r"^[ >]*(?:```|~~~)", text, re.MULTILINE)) == 2 * len(_FENCE.findall(text)), page.name

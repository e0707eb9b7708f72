"""``python -m bench [SUBJECT ...]``: measure, print one table; a whole run also goes to the docs.

A subject is a file beside this one with a function ``rows()``.
"""

import argparse
import importlib
import sys
from pathlib import Path

from bench import machine
from bench.stage import ROOT, BenchError
from bench.table import Row, markdown, text

SUBJECTS = ("preview", "models", "engine", "arm", "blob", "history", "upload", "scoring", "up", "release")
ASKED_FOR = ("cold",)  # downloads some hundred megabytes
PAGE = ROOT / "docs" / "reference" / "performance.md"
_BEGIN, _END = "<!-- measured: make bench -->", "<!-- end of measurements -->"


def main() -> int:
    """Measure what is asked for; exit code 1 when a bar was missed or a subject could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Figures, each beside its yardstick.")
    parser.add_argument(
        "subjects", nargs="*", metavar="SUBJECT", help=f"{', '.join(SUBJECTS)} (default: all), {ASKED_FOR[0]}"
    )
    options = parser.parse_args()
    if unknown := set(options.subjects) - {*SUBJECTS, *ASKED_FOR}:
        parser.error(f"{', '.join(sorted(unknown))}: no subject; there are: {', '.join((*SUBJECTS, *ASKED_FOR))}")
    about, rows, failures = machine.describe(), list[Row](), 0
    for subject in options.subjects or SUBJECTS:
        print(f"measuring {subject} ...", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"bench.{subject}").rows()
        except BenchError as error:
            failures += 1
            print(f"{subject}: {error}", file=sys.stderr)
    print(f"{about}\n\n{text(rows)}")
    if not options.subjects and not failures:
        write(PAGE, f"{about}\n\n{markdown(rows)}")
    return 1 if failures or any(row.verdict == "missed" for row in rows) else 0


def write(page: Path, measured: str) -> None:
    """Put the measurements between the page's markers."""
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{measured}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

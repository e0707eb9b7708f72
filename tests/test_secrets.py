"""No tracked file holds a secret; `make check` runs this before anything is pushed."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each kind of secret looks like. A value that only looks like one is built from parts where it stands.
PATTERNS = {
    "private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "storage account key": r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==",
    "key in a connection string": r"(?i)\b(?:account|shared ?access)key=[A-Za-z0-9+/]{20,}",
    "signature of a shared access": r"[?&]sig=[A-Za-z0-9%+/]{30,}",
    "client secret of Entra": r"(?<![\w~.-])[\w.-]{3}\dQ~[\w~.-]{31,34}(?![\w~.-])",
    "token of Azure DevOps": r"(?<![a-z0-9])[a-z2-7]{52}(?![a-z0-9])",
    "token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22,})",
    "token of Pulumi": r"\bpul-[0-9a-f]{40}\b",
    "JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "password": r"(?i)\b(?:password|passwd|client_?secret|api_?key)\b[\"']?\s*[:=]\s*[\"'][^\"'{}$<>\s]{12,}[\"']",
}

# Azurite's one account: published, the same everywhere, and needed to measure against it.
PUBLISHED = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/" + "K1SZFPTOtr/KBHBeksoGMGw=="

PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "storage account key": "key: " + "Ab1+" * 21 + "Ab==",
    "key in a connection string": "AccountName=a;Account" + "Key=" + "c3VwZXIgc2VjcmV0IGtleQ",
    "signature of a shared access": "https://a/b?sp=r&" + "sig=" + "Zx9%2B" * 8,
    "client secret of Entra": "abc8" + "Q~" + "x" * 34,
    "token of Azure DevOps": "ab2" * 17 + "c",
    "token of GitHub": "gh" + "p_" + "a1B2" * 9,
    "token of Pulumi": "pul" + "-" + "0a" * 20,
    "JSON web token": "ey" + "JhbGciOiJSUzI1NiJ9" + ".ey" + "JzdWIiOiIxMjM0In0xx." + "c2lnbmF0dXJl",
    "password": "pass" + 'word = "correct-horse-battery"',
}


def found_in(text: str) -> list[str]:
    """The kinds of secrets in a text."""
    return [kind for kind, pattern in PATTERNS.items() if re.search(pattern, text.replace(PUBLISHED, ""))]


def tracked() -> list[Path]:
    """Every file that git holds, or would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_holds_a_secret() -> None:
    held = {}
    for path in tracked():
        if kinds := found_in(path.read_text(encoding="utf-8", errors="replace")):
            held[str(path.relative_to(ROOT))] = kinds
    assert held == {}


@pytest.mark.parametrize("kind", PATTERNS)
def test_each_kind_is_noticed(kind: str) -> None:
    assert kind in found_in(f"# a line before\n{PLANTED[kind]}\n")


def test_what_the_sandbox_keeps_is_never_tracked() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", ".sandbox/caller.secret", ".sandbox/authority/ca.key", "build/ops-error.log"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert len(ignored.stdout.splitlines()) == 3

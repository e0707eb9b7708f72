"""Names fit Azure, stay the same, differ between stacks, and are shortened without ever becoming the same."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import naming
from naming import Names

PARTS = {"project": "mlops", "stack": "dev", "salt": "example", "location": "westeurope"}
DEV = Names(**PARTS)


def named(**changes: str) -> Names:
    return Names(**(PARTS | changes))


# Azure's own rules, written down once more so that a changed name is held against them.
RULES: dict[str, tuple[Callable[[Names], str], str]] = {
    "resource group": (Names.resource_group, r"[A-Za-z0-9._()-]{1,90}"),
    "storage account": (Names.storage_account, r"[a-z0-9]{3,24}"),
    "container registry": (Names.container_registry, r"[A-Za-z0-9]{5,50}"),
    "key vault": (Names.key_vault, r"(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]"),
    "workspace": (Names.workspace, r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}"),
    "log analytics": (Names.log_analytics, r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]"),
    "application insights": (Names.application_insights, r"[^%&\\?/]{1,260}"),
    "identity": (lambda names: names.identity("workspace"), r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}"),
    "endpoint": (lambda names: names.endpoint("flight-delay"), r"[a-z][a-z0-9-]{1,30}[a-z0-9]"),
    "ML registry group": (Names.ml_registry_group, r"[A-Za-z0-9._()-]{1,90}"),
    "ML registry": (Names.ml_registry, r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}"),
}
OF_THE_ORGANISATION = ("ML registry", "ML registry group")
OF_THE_STACK = tuple(kind for kind in RULES if kind not in OF_THE_ORGANISATION)
# The first one is cut at a hyphen.
LONG = ("payment-services-europe", "fraud-detection-prod", "a-stack-of-a-team-with-a-very-long-name-indeed", "a" * 100)
GLOBALLY_UNIQUE = ("storage account", "container registry", "key vault", "workspace", "endpoint")


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("stack", ["dev", *LONG])
def test_a_name_keeps_azures_rule_whatever_the_stack_is_called(kind: str, stack: str) -> None:
    name_of, rule = RULES[kind]
    assert re.fullmatch(rule, name_of(named(stack=stack)))


@pytest.mark.parametrize("kind", OF_THE_ORGANISATION)
def test_the_registry_is_the_same_in_every_stack_and_region(kind: str) -> None:
    name_of, _ = RULES[kind]
    assert name_of(DEV) == name_of(named(stack="prod", location="westus"))
    assert name_of(DEV) != name_of(named(salt="contoso"))


@pytest.mark.parametrize("kind", OF_THE_STACK)
def test_two_stacks_have_two_names(kind: str) -> None:
    name_of, _ = RULES[kind]
    assert name_of(DEV) != name_of(named(stack="prod"))


@pytest.mark.parametrize("kind", GLOBALLY_UNIQUE)
def test_two_organisations_have_two_global_names(kind: str) -> None:
    name_of, _ = RULES[kind]
    assert name_of(DEV) != name_of(named(salt="contoso"))


def test_stacks_that_differ_in_a_hyphen_do_not_share_an_account() -> None:
    one = named(stack="team-a")
    other = named(stack="teama")
    assert one.storage_account() != other.storage_account()


def test_names_never_change() -> None:
    """A changed name is a deleted account: change this line only together with a migration."""
    assert DEV.storage_account() == "stmlopsdevh3io2x"
    assert DEV.workspace() == "mlw-mlops-dev-h3io2x"
    assert DEV.role_assignment("label") == "44339886-c5b8-5dc7-9cc4-b42dac59f12e"


def test_role_assignments_are_guids_of_their_own() -> None:
    guid = r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    other = named(stack="prod")
    assert re.fullmatch(guid, DEV.role_assignment("cluster"))
    assert len({DEV.role_assignment("a"), DEV.role_assignment("b"), other.role_assignment("a")}) == 3


@pytest.mark.parametrize("kind", OF_THE_STACK)
def test_names_that_are_cut_alike_stay_two_names(kind: str) -> None:
    name_of, _ = RULES[kind]
    stem = "a-stack-of-a-team-with-a-very-long-name-" + "indeed-" * 20
    assert name_of(named(stack=f"{stem}one")) != name_of(named(stack=f"{stem}two"))


def test_models_whose_names_are_cut_alike_have_two_endpoints() -> None:
    names = named(stack="fraud-detection-prod")
    made = {names.endpoint(f"a-model-with-a-long-name-{end}") for end in ("one", "two")}
    assert len(made) == 2


@pytest.mark.parametrize("kind", GLOBALLY_UNIQUE)
def test_a_stack_that_moves_does_not_meet_what_it_left(kind: str) -> None:
    """Deleted vaults and workspaces keep their names for a while."""
    name_of, _ = RULES[kind]
    assert name_of(DEV) != name_of(named(location="northeurope"))


@pytest.mark.parametrize("part", sorted(PARTS))
@pytest.mark.parametrize("bad", ["", "Dev", "dev_1", "1dev", "dev-", "dev--1", "dév"])
def test_a_part_outside_the_alphabet_is_refused_and_named(part: str, bad: str) -> None:
    with pytest.raises(ValueError, match=f"{part}={bad!r}"):
        named(**{part: bad})


@pytest.mark.parametrize("name_of", [Names.identity, Names.endpoint])
def test_a_purpose_outside_the_alphabet_is_refused_and_named(name_of: Callable[[Names, str], str]) -> None:
    with pytest.raises(ValueError, match="'Flight Delay'"):
        name_of(DEV, "Flight Delay")


def folder(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_the_same_content_has_the_same_version_anywhere(tmp_path: Path) -> None:
    files = {"a.py": "a", "sub/b.py": "b"}
    one = folder(tmp_path / "one", files)
    other = folder(tmp_path / "other", dict(reversed(files.items())))
    assert naming.content(one) == naming.content(other)
    assert re.fullmatch(r"[0-9a-f]{12}", naming.content(one).version)


@pytest.mark.parametrize(
    "change", [{"a.py": "x"}, {"new.py": ""}, {"sub/b.py": "a"}], ids=["other bytes", "one more file", "deeper"]
)
def test_any_change_is_another_version(tmp_path: Path, change: dict[str, str]) -> None:
    files = {"a.py": "a", "sub/b.py": "b"}
    before = naming.content(folder(tmp_path / "before", files)).version
    assert naming.content(folder(tmp_path / "after", files | change)).version != before


def test_a_renamed_file_is_another_version(tmp_path: Path) -> None:
    before = naming.content(folder(tmp_path / "before", {"a.py": "a"})).version
    assert naming.content(folder(tmp_path / "after", {"b.py": "a"})).version != before


def test_caches_and_dotfiles_do_not_count(tmp_path: Path) -> None:
    clean = folder(tmp_path / "clean", {"a.py": "a"})
    used = folder(
        tmp_path / "used",
        {"a.py": "a", "__pycache__/a.cpython-311.pyc.139": "x", "b.pyc": "x", ".DS_Store": "x", ".git/config": "x"},
    )
    assert naming.content(used) == naming.content(clean)


def test_the_order_in_which_files_are_found_does_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path, {"a.py": "a", "b.py": "b"})
    assert naming.content(root, ("b.py", "a.py")) == naming.content(root, ("a.py", "b.py"))


def test_only_included_files_count(tmp_path: Path) -> None:
    root = folder(tmp_path, {"ml_jobs/score.py": "s", "ml_jobs/train.py": "t"})
    assert [name for name, _ in naming.content(root, ("ml_jobs/score.py",)).files] == ["ml_jobs/score.py"]


def test_a_pattern_without_files_is_refused_and_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file matches 'ml_jobs/scor\.py'"):
        naming.content(folder(tmp_path, {"ml_jobs/score.py": "s"}), ("ml_jobs/scor.py",))


def test_parts_do_not_run_into_each_other() -> None:
    assert naming.content_version("ab", "c") != naming.content_version("a", "bc")


def test_what_did_not_change_is_not_read_again(tmp_path: Path) -> None:
    """Data can be large, and every preview looks at it."""
    root, cache = folder(tmp_path / "data", {"a.csv": "a", "b.csv": "b"}), tmp_path / "cache"
    for path in root.iterdir():
        os.utime(path, (1, 1))
    first = naming.content(root, cache=cache)
    stat = (root / "a.csv").stat()
    (root / "a.csv").write_text("x")  # the same size at the same time: only reading it would tell
    os.utime(root / "a.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert naming.content(root, cache=cache) == first
    os.utime(root / "a.csv", (2, 2))
    assert naming.content(root, cache=cache) != first
    assert naming.content(root, cache=cache) == naming.content(root)


def test_a_file_that_may_still_be_written_is_read_again(tmp_path: Path) -> None:
    root, cache = folder(tmp_path / "data", {"a.csv": "a"}), tmp_path / "cache"
    naming.content(root, cache=cache)
    assert cache.read_text() == "{}"


@pytest.mark.parametrize("broken", ["", '["a"]', "{", '{"a": 1'])
def test_a_broken_cache_is_no_cache(tmp_path: Path, broken: str) -> None:
    root, cache = folder(tmp_path / "data", {"a.csv": "a"}), tmp_path / "cache"
    cache.write_text(broken)
    assert naming.content(root, cache=cache) == naming.content(root)

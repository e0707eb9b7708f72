"""Edits of a stack's configuration file: the deployments change and nothing else, comments least of all."""

from pathlib import Path

import pytest

from ops.command import UsageError
from ops.stack_file import Deployment, StackFile, follow

BLUE = Deployment(name="blue", model="flight-delay", version="1", instance_type="Standard_D2as_v5", instance_count=1)
GREEN = Deployment(name="green", model="flight-delay", version="2", instance_type="Standard_D2as_v5", instance_count=1)
HEAD = """\
config:
  mlops:location: westeurope  # near the users
  # Written by the release.
"""
EMPTY = HEAD + "  mlops:deployments: []\n"
ONE = (
    HEAD
    + """\
  mlops:deployments:
    # the one everybody uses
    - name: blue  # oldest
      model: flight-delay
      version: "1"  # approved by Ada
      instance_type: Standard_D2as_v5
      instance_count: 1  # enough
  # after the list
  mlops:owner: me@example.com
"""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Pulumi.dev.yaml"


def test_adds_the_first_entry_to_an_empty_list(path: Path) -> None:
    path.write_text(EMPTY)
    assert StackFile(path).with_deployment(BLUE) == HEAD + (
        "  mlops:deployments:\n"
        "    - name: blue\n"
        "      model: flight-delay\n"
        '      version: "1"\n'
        "      instance_type: Standard_D2as_v5\n"
        "      instance_count: 1\n"
    )


def test_adds_an_entry_at_the_end_and_keeps_every_comment(path: Path) -> None:
    path.write_text(ONE)
    text = StackFile(path).with_deployment(GREEN)
    added = [line for line in text.splitlines() if line not in ONE.splitlines()]
    assert added == ["    - name: green", '      version: "2"', "      instance_count: 1"]
    assert text.index("instance_count: 1  # enough\n    - name: green") < text.index("  # after the list")
    assert "# approved by Ada" in text


def test_changes_the_version_in_place_and_keeps_every_comment(path: Path) -> None:
    path.write_text(ONE)
    changed = Deployment(**{**vars(BLUE), "version": "12"})
    assert StackFile(path).with_deployment(changed) == ONE.replace('version: "1"', 'version: "12"')


def test_changes_model_and_version_together(path: Path) -> None:
    path.write_text(ONE)
    changed = Deployment(**{**vars(BLUE), "version": "12", "model": "another"})
    expected = ONE.replace('version: "1"', 'version: "12"').replace("model: flight-delay", "model: another")
    assert StackFile(path).with_deployment(changed) == expected


def test_a_file_without_a_last_newline(path: Path) -> None:
    path.write_text(ONE.partition("  # after")[0].rstrip("\n"))
    file = StackFile(path)
    file.write(file.with_deployment(GREEN))
    assert StackFile(path).deployments == [BLUE, GREEN]


def test_refuses_to_edit_what_it_cannot_edit_safely(path: Path) -> None:
    entry = "{name: blue, model: m, version: '1', instance_type: t, instance_count: 1}"
    path.write_text(HEAD + f"  mlops:deployments: [{entry}]\n")
    with pytest.raises(UsageError, match="cannot be edited safely") as failure:
        StackFile(path).with_deployment(GREEN)
    assert "plain list" in failure.value.repair


@pytest.mark.parametrize(
    ("other", "entry"),
    [
        ('&v "7"', "name: blue\n      version: *v"),
        ("&same {version: '7'}", "<<: *same\n      name: blue"),
    ],
    ids=["alias", "merge"],
)
def test_refuses_an_edit_that_would_change_another_key(path: Path, other: str, entry: str) -> None:
    path.write_text(
        f"config:\n  mlops:other: {other}\n  mlops:deployments:\n    - {entry}\n"
        "      model: flight-delay\n      instance_type: Standard_D2as_v5\n      instance_count: 1\n"
    )
    with pytest.raises(UsageError, match="cannot be edited safely"):
        StackFile(path).with_deployment(Deployment(**{**vars(BLUE), "version": "8"}))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: [", "not YAML"),
        ("config: {}", "no list deployments"),
        ("- 1", "no list deployments"),
        (HEAD + "  mlops:deployments:\n    - name: blue\n", "not complete"),
        (HEAD + "  mlops:deployments: none\n", "no list deployments"),
    ],
)
def test_refuses_a_file_that_is_no_stack_file(path: Path, text: str, says: str) -> None:
    path.write_text(text)
    with pytest.raises(UsageError, match=says) as failure:
        StackFile(path)
    assert str(path) in str(failure.value)


def test_refuses_a_missing_file(path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        StackFile(path)


def test_a_working_copy_starts_without_the_deployments_of_its_base(path: Path, tmp_path: Path) -> None:
    """They name model versions that another workspace holds."""
    path.write_text(ONE)
    copy = tmp_path / "copies" / "Pulumi.dev.yaml"
    follow(path, copy)
    assert StackFile(copy).deployments == []
    assert "mlops:owner: me@example.com" in copy.read_text()


def test_a_working_copy_follows_its_base_and_keeps_its_deployments(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    path.write_text(EMPTY)
    follow(path, copy)
    file = StackFile(copy)
    file.write(file.with_deployment(GREEN))
    path.write_text(ONE.replace("westeurope", "northeurope"))
    follow(path, copy)
    assert StackFile(copy).deployments == [GREEN]
    assert "northeurope  # near the users" in copy.read_text()
    assert path.read_text() == ONE.replace("westeurope", "northeurope")


def test_a_working_copy_that_is_right_is_not_written(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    path.write_text(ONE)
    follow(path, copy)
    before = copy.stat().st_mtime_ns
    follow(path, copy)
    assert copy.stat().st_mtime_ns == before


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_tracked_files_can_be_edited(stack: str, path: Path) -> None:
    original = Path(f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    path.write_text(original, encoding="utf-8")
    file = StackFile(path)
    file.write(file.with_deployment(BLUE))
    assert StackFile(path).deployments == [*file.deployments, BLUE]
    kept = [line for line in original.splitlines() if "deployments:" not in line]
    assert all(line in path.read_text(encoding="utf-8").splitlines() for line in kept)

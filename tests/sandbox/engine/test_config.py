"""The project and the stack's configuration: every mistake is named with its repair."""

from pathlib import Path

import pytest

from sandbox.engine.config import ConfigError, load

PROJECT = """
name: proj
runtime: python
config:
  pulumi:autonaming:
    value: {mode: disabled}
  azure-native:location:
    value: westeurope
  size: {type: integer, default: 3}
  on: {type: boolean}
  names: {type: array, items: {type: string}}
  shape: {type: object}
  free: {description: anything}
  token: {type: string, secret: true}
"""
GOOD = """
config:
  proj:on: true
  names: [a, b]
  shape: {x: 1}
  free: text
  token: t
"""


def write(folder: Path, stack: str = GOOD, project: str = PROJECT) -> Path:
    (folder / "Pulumi.yaml").write_text(project, encoding="utf-8")
    (folder / "Pulumi.dev.yaml").write_text(stack, encoding="utf-8")
    return folder


def test_values_are_as_the_program_reads_them(tmp_path: Path) -> None:
    project = load(write(tmp_path), "dev")
    assert project.config == {
        "azure-native:location": "westeurope", "proj:on": "true", "proj:names": '["a","b"]', "proj:shape": '{"x":1}',
        "proj:free": "text", "proj:token": "t", "proj:size": "3",
    }  # fmt: skip
    assert project.secret_keys == ("proj:token",)
    assert project.naming.mode == "disabled"
    assert project.of_package("azure-native") == {"location": "westeurope"}


def test_numbers_and_truth_values_may_be_text_as_the_cli_writes_them(tmp_path: Path) -> None:
    project = load(write(tmp_path, GOOD.replace("true", '"false"') + '  size: "12"\n'), "dev")
    assert (project.config["proj:on"], project.config["proj:size"]) == ("false", "12")


@pytest.mark.parametrize(
    ("stack", "says"),
    [
        (GOOD.replace("proj:on: true", "proj:on: maybe"), ['proj:on: "maybe" is a string; want boolean']),
        (GOOD + "  size: big", ['proj:size: "big" is a string; want integer']),
        (GOOD + "  size: true", ["proj:size: true is a boolean; want integer"]),
        (GOOD.replace("[a, b]", "[a, 1]"), ["proj:names: [1] 1 is an integer; want array of string"]),
        (GOOD.replace("{x: 1}", "7"), ["proj:shape: 7 is an integer; want object"]),
        (
            GOOD.replace("token: t", "token: {secure: v1:abc}"),
            ["proj:token: an encrypted value", "another stack's file"],
        ),
        ("config: {}", ["proj:on: missing", "proj:names: missing", "pulumi config set on VALUE"]),
        ("config: 3", ["'config' is an integer; want keys and values"]),
        ("a: [", ["Pulumi.dev.yaml:1: not YAML: expected the node content, but found '<stream end>'"]),
        ("- a", ["holds an array; want keys and values"]),
    ],
)
def test_each_mistake_names_file_key_value_and_what_is_accepted(tmp_path: Path, stack: str, says: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, stack), "dev")
    assert "Pulumi.dev.yaml" in str(caught.value)
    for text in says:
        assert text in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, GOOD.replace("true", "1").replace("{x: 1}", "x") + "  size: a\n"), "dev")
    assert len(caught.value.problems) == 3


def test_an_unknown_stack_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no stack 'prod' here \(stack files: Pulumi\.dev\.yaml\)"):
        load(write(tmp_path), "prod")


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Pulumi\.yaml: not found"):
        load(tmp_path, "dev")


def test_a_naming_that_the_sandbox_does_not_know_is_refused(tmp_path: Path) -> None:
    project = PROJECT.replace("{mode: disabled}", "{pattern: 'x-${name}'}")
    with pytest.raises(ConfigError, match=r"default \| verbatim \| disabled"):
        load(write(tmp_path, GOOD, project), "dev")

"""What an editor is told is what the program says."""

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped] # ships no types
import pytest
import yaml

import schemas
from tests.conftest import ROOT, STACKS, small_config

FIRST_LINE = "# yaml-language-server: $schema="
MODELS = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "ml_jobs").glob("*/model.yaml"))


def schema(name: str) -> Any:
    return json.loads((schemas.FOLDER / name).read_text(encoding="utf-8"))


def mistakes(config: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft7Validator(schema("stack.schema.json"))
    return [error.json_path for error in validator.iter_errors({"config": config})]


@pytest.mark.parametrize("name", ["stack.schema.json", "model.schema.json"])
def test_the_files_are_what_the_classes_say(name: str) -> None:
    """Not so? ``python -m schemas``."""
    assert (schemas.FOLDER / name).read_text(encoding="utf-8") == schemas.files()[name]
    jsonschema.Draft7Validator.check_schema(schema(name))


@pytest.mark.parametrize("file", [*(f"Pulumi.{stack}.yaml" for stack in STACKS), *MODELS])
def test_each_file_names_its_schema_and_keeps_it(file: str) -> None:
    path = ROOT / file
    text = path.read_text(encoding="utf-8")
    assert text.startswith(FIRST_LINE)
    named = (path.parent / text.partition("\n")[0].removeprefix(FIRST_LINE)).resolve()
    assert named.parent == schemas.FOLDER
    jsonschema.validate(yaml.safe_load(text), json.loads(named.read_text(encoding="utf-8")))


def test_a_stack_in_anothers_workspace_is_right() -> None:
    assert mistakes({"mlops:platform": {"existing": "dev", "owner": "a@b"}}) == []


def test_keys_of_others_are_not_judged() -> None:
    assert mistakes(small_config() | {"azure-native:location": "x"}) == []


@pytest.mark.parametrize(
    "config",
    [
        small_config() | {"mlops:modells": []},
        small_config(ownr="x"),
        small_config(location="westeurop"),
        small_config(soft_delete_days=6),
        small_config(clusters=[{"name": "Train_1", "vm_size": "Standard_D4ds_v5"}]),
        small_config() | {"mlops:models": [{"name": "late", "auth_mode": "none"}]},
        {"mlops:platform": {"existing": "dev"}},
        {"mlops:models": []},
    ],
)
def test_an_editor_shows_a_mistake_where_it_is(config: dict[str, Any]) -> None:
    assert mistakes(config)


def test_every_field_is_described() -> None:
    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, each in node.get("properties", {}).items():
                assert name.startswith(("mlops:", "config")) or each.get("description"), name
            for each in node.values():
                walk(each)

    walk(schema("stack.schema.json"))
    walk(schema("model.schema.json"))


def test_the_page_names_every_field_with_its_default() -> None:
    text = schemas.page()
    assert "| `soft_delete_days` | `90` |" in text
    assert "| `subscription_id` | required |" in text
    assert "| `promoted` | `false` |" in text

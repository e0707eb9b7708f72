"""What an editor is told about stack files and model files: ``python -m schemas`` writes ``docs/schemas``.

Made from the classes that read those files, so that completion, hover text and the program say the same.
"""

import dataclasses
import inspect
import json
import re
from pathlib import Path
from typing import Any

import settings
from model_file import ModelFile
from settings_load import GROUPS
from settings_rules import Rule

FOLDER = Path(__file__).parent / "docs" / "schemas"
_DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that editors' YAML support knows in full
_TYPES = {str: "string", int: "integer", bool: "boolean", list: "array", dict: "object"}
_PROJECT = "mlops"
_PAGE: dict[str, type[Any]] = {
    "mlops:platform": settings.PlatformSettings,
    "mlops:platform, in another stack's workspace": settings.ExistingPlatformSettings,
    "mlops:platform.clusters": settings.ClusterSettings,
    "mlops:registry": settings.RegistrySettings,
    "mlops:models": settings.ModelSettings,
}


def files() -> dict[str, str]:
    """File name to text of each schema."""
    made = {"stack.schema.json": stack_schema(), "model.schema.json": {"$schema": _DIALECT, **_object(ModelFile)}}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in made.items()}


def stack_schema() -> dict[str, Any]:
    """The schema of ``Pulumi.<stack>.yaml``; keys of other namespaces belong to others."""
    groups = {f"{_PROJECT}:{key}": _value(rule) for key, rule in GROUPS.items()}
    groups[f"{_PROJECT}:platform"] = {
        # Which of the two it is shows in one key, so that an editor complains about the right one.
        "if": {"required": ["existing"]},
        "then": _object(settings.ExistingPlatformSettings),
        "else": groups[f"{_PROJECT}:platform"],
    }
    config = {
        "type": "object",
        "properties": groups,
        "patternProperties": {f"^{_PROJECT}:(?!({'|'.join(GROUPS)})$)": False},
        "required": [f"{_PROJECT}:platform"],
    }
    return {
        "$schema": _DIALECT,
        "title": "Configuration of a stack",
        "type": "object",
        "properties": {"config": config},
        "required": ["config"],
    }


def page() -> str:
    """The reference page of a stack's configuration: every group, every field, its default."""
    head = (
        "# Configuration of a stack\n\nGenerated from the settings' classes; do not edit. A group may be absent, and a "
        "field with a default may be left out.\nMistakes are told all at once, each with file, line, value, what is "
        "accepted and the repair.\n"
    )
    parts = [head]
    for title, fields_of in _PAGE.items():
        schema = _object(fields_of)
        parts.append(
            f"\n## {title}\n\n{inspect.cleandoc(fields_of.__doc__ or '').partition('Attributes:')[0].strip()}\n"
        )
        parts.append("\n| field | default | what it is | accepted |\n| --- | --- | --- | --- |\n")
        for field in dataclasses.fields(fields_of):
            default = "required" if field.name in schema["required"] else f"`{json.dumps(field.default)}`"
            rule = field.metadata["rule"]
            values = rule.schema.get("enum", ())
            accepted = f"one of {', '.join(values)}" if len(values) > 5 else rule.accepted.replace("|", "\\|")
            text = schema["properties"][field.name]["description"]
            parts.append(f"| `{field.name}` | {default} | {text} | {accepted} |\n")
    return "".join(parts)


def _object(fields_of: type[Any]) -> dict[str, Any]:
    texts = _attributes(fields_of)
    own = [field for field in dataclasses.fields(fields_of) if "rule" in field.metadata]
    properties = {}
    for field in own:
        properties[field.name] = {"description": texts[field.name], **_value(field.metadata["rule"])}
        if field.default not in (dataclasses.MISSING, None, ()):
            properties[field.name]["default"] = field.default
    return {
        "type": "object",
        "description": (inspect.getdoc(fields_of) or "").partition("\n")[0],
        "properties": properties,
        "required": [field.name for field in own if field.default is dataclasses.MISSING],
        "additionalProperties": False,
    }


def _value(rule: Rule) -> dict[str, Any]:
    if rule.fields_of and rule.mapping:
        return {"type": "object", "additionalProperties": _object(rule.fields_of)}
    if rule.fields_of and rule.kind is list:
        return {"type": "array", "items": _object(rule.fields_of)}
    if rule.fields_of:
        return _object(rule.fields_of)
    return {"type": _TYPES[rule.kind], **rule.schema}


def _attributes(fields_of: type[Any]) -> dict[str, str]:
    """Text of each attribute in a class's docstring."""
    listed = (inspect.getdoc(fields_of) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.+(?:\n {5,}.+)*)", listed, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in found}


def main() -> None:
    """Writes the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""A YAML file with the line of everything in it, so that a mistake can be shown where it stands.

Not here: what the file may hold. `settings_rules` judges that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Keys and list positions from the top of a file down to a value.
Where = tuple[str | int, ...]


class YamlFileError(ValueError):
    """The file is not YAML; the message names file, line and the parser's reason."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """One file, read.

    Attributes:
        file: where it was read from.
        content: its plain value.
        lines: line of each key and list entry, counted from 1.
        repeated: keys written a second time in one mapping, with the line of the second and of the first.
    """

    file: Path
    content: Any
    lines: Mapping[Where, int]
    repeated: tuple[tuple[Where, int, int], ...] = ()


def read(file: Path) -> Document:
    """Reads a file.

    Raises:
        OSError: it cannot be read.
        YamlFileError: it is not YAML.
    """
    # The C parser is ten times as fast as the other, and as safe.
    loader = yaml.CSafeLoader(file.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"{file.as_posix()}:{mark.line + 1}" if mark else file.as_posix()
        raise YamlFileError(f"{at}: not YAML: {getattr(error, 'problem', None) or error}") from error
    finally:
        loader.dispose()
    lines: dict[Where, int] = {}
    repeated = [] if node is None else list(_walk((), node, lines))
    return Document(file=file, content=content, lines=lines, repeated=tuple(repeated))


def _walk(where: Where, node: yaml.Node, lines: dict[Where, int]) -> Iterator[tuple[Where, int, int]]:
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[*where, index] = item.start_mark.line + 1
            yield from _walk((*where, index), item, lines)
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            inside = (*where, str(key.value))
            if key.value in seen:
                yield inside, line, seen[key.value]
            seen.setdefault(key.value, line)
            lines[inside] = line
            yield from _walk(inside, value, lines)

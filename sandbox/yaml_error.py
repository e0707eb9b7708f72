"""Where a text stops being YAML, and why."""

import yaml


def place(error: yaml.YAMLError) -> tuple[int, str]:
    """The line, counted from 1 and 0 where it is not known, and the parser's reason."""
    mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    return (mark.line + 1 if mark else 0), str(reason or error)

"""How the running sandbox behaves where Azure takes its time, or where no document says what it does.

Each setting is kept in the state, is set at the sandbox's own address (planes/admin.py) and has a default.
"""

import re
from dataclasses import dataclass

from sandbox.store.db import Reader


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        default: its value until it is set.
        pattern: what its value must be.
        says: the same in words.
    """

    default: str
    pattern: str
    says: str


SETTINGS = {
    # How long-running operations end.
    "pace": Setting("now", r"now|polls:\d+|seconds:\d+(\.\d+)?", "now, polls:N or seconds:N"),
    # After which time a new role assignment counts, on Azure's own address and on those of its services alike.
    "roles": Setting("now", r"now|seconds:\d+(\.\d+)?", "now or seconds:N"),
    # What a PUT of an online endpoint does to shares of the traffic that it does not send.
    "unsent-traffic": Setting("cleared", r"cleared|kept", "cleared or kept"),
}


def setting(reader: Reader, name: str) -> str:
    """The value of a setting."""
    row = reader.one("SELECT value FROM meta WHERE key = ?", (name,))
    return str(row["value"]) if row else SETTINGS[name].default


def fits(name: str, value: str) -> bool:
    """Whether a setting takes a value."""
    return re.fullmatch(SETTINGS[name].pattern, value) is not None

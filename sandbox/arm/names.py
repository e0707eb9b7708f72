"""Name rules, and names that are taken across all of Azure."""

import re
from dataclasses import dataclass

from sandbox.arm.errors import ArmError


@dataclass(frozen=True)
class Name:
    """What a kind's name may be.

    Attributes:
        pattern: the whole name must match it.
        says: the rule in words, for the error message.
        unique: '' when names are unique below their parent only; else the scope in which a name can be taken
            once, such as ``storage`` (all of Azure). ``{location}`` in it stands for the resource's region.
        source: where Azure states the rule.
        invalid: the service's error code for a name that breaks the rule.
        taken: the service's error code for a name that somebody has.
    """

    pattern: str
    says: str
    unique: str = ""
    source: str = "learn.microsoft.com: resource-name-rules"
    invalid: str = "InvalidResourceName"
    taken: str = "NameNotAvailable"

    def check(self, kind: str, name: str) -> None:
        """Refuse a name that Azure refuses.

        Raises:
            ArmError: 400, with the rule.
        """
        if not re.fullmatch(self.pattern, name):
            raise ArmError(400, self.invalid, f"'{name}' is not a valid name for {kind}: want {self.says}.")


ANY_NAME = Name(r"[^<>%&:\\?/#\s][^<>%&\\?/#]{0,259}", "1-260 characters without <>%&\\?/#")

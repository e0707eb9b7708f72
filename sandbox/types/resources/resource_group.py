"""Resource group: what is in it goes with it."""

from sandbox.arm.kind import Kind, Name


class ResourceGroup(Kind):
    """``Microsoft.Resources/resourceGroups``."""

    arm_type = "Microsoft.Resources/resourceGroups"
    level = "enforced"
    name = Name(
        r"[-\w.()]{0,89}[-\w()]",
        "1-90 letters, digits, underscores, hyphens, periods or parentheses, not ending in a period",
    )
    tracked = True
    lro = True
    frozen = ("managedBy",)

    def operation(self, verb: str) -> str:
        """Azure's roles name groups below their subscription."""
        return f"Microsoft.Resources/subscriptions/resourceGroups/{verb}"

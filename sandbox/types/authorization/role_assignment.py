"""Role assignment: who may do what, from its scope downwards."""

from sandbox import clock
from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.roles import ROLES


class RoleAssignment(Kind):
    """``Microsoft.Authorization/roleAssignments``."""

    arm_type = "Microsoft.Authorization/roleAssignments"
    level = "enforced"
    name = Name(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a GUID")
    provisioning = False
    frozen = ("properties.principalId", "properties.roleDefinitionId")
    differs = {"properties.condition": "kept, not evaluated"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """The role and the principal must exist, and no second assignment of the same three."""
        role, principal = _role(new), str(new.get("properties.principalId", ""))
        if role not in ROLES:
            raise Refusal(
                400, "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{role}' does not exist; the sandbox knows the built-in roles "
                f"{', '.join(sorted(each.name for each in ROLES.values()))}.",
            )  # fmt: skip
        if view.reader.one("SELECT 1 FROM principals WHERE object_id = ?", (principal,)) is None:
            raise Refusal(400, "PrincipalNotFound", f"Principal '{principal}' does not exist in the directory.")
        same = view.reader.one(
            "SELECT key FROM grants WHERE scope = ? AND principal = ? AND role = ? AND key <> ?",
            (new.id.scope.lower(), principal, role, new.id.key),
        )
        if same:
            raise Refusal(409, "RoleAssignmentExists", "The role assignment already exists.")

    def stored(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Make it count in the access check."""
        change.tx.run(
            "INSERT OR REPLACE INTO grants VALUES (?,?,?,?)",
            (new.id.key, new.id.scope.lower() or "/", new["properties.principalId"], _role(new)),
        )

    def removed(self, me: Resource, change: Change) -> None:
        """Stop it counting."""
        change.tx.run("DELETE FROM grants WHERE key = ?", (me.id.key,))

    def outputs(self, me: Resource, view: View) -> Body:
        """The scope and the dates that ARM adds."""
        return {"properties": {"scope": me.id.scope, "createdOn": me.created, "updatedOn": me.modified,
                               "createdBy": me.author, "updatedBy": me.author}}  # fmt: skip


def _role(me: Resource) -> str:
    return str(me.get("properties.roleDefinitionId", "")).rsplit("/", 1)[-1].lower()


class RoleDefinition(Kind):
    """``Microsoft.Authorization/roleDefinitions``: the built-in ones are there; custom ones are kept."""

    arm_type = "Microsoft.Authorization/roleDefinitions"
    level = "recorded"
    provisioning = False
    differs = {"permissions": "a custom role is kept but grants nothing"}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """When it was written."""
        new.properties["updatedOn"] = clock.timestamp()

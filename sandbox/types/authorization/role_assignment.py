"""Role assignment: who may do what, from its scope downwards."""

from sandbox.arm.kind import Body, Kind, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.roles import ROLES
from sandbox.types.authorization.role_definition import GUID, find, within


class RoleAssignment(Kind):
    """``Microsoft.Authorization/roleAssignments``."""

    arm_type = "Microsoft.Authorization/roleAssignments"
    level = "enforced"
    name = GUID
    provisioning = False
    frozen = ("properties.principalId", "properties.roleDefinitionId")
    differs = {"properties.condition": "refused: it would grant less than the role, and nothing evaluates it"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """The role and the principal must exist, and no second assignment of the same three."""
        role, principal = _role(new), str(new.get("properties.principalId", ""))
        own = None if role in ROLES else find(role, view)
        if role not in ROLES and (own is None or not within(own, new.id.scope)):
            raise Refusal(
                400, "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{role}' does not exist at this scope; the sandbox knows the "
                f"built-in roles {', '.join(sorted(each.name for each in ROLES.values()))}, and custom ones within "
                "their assignable scopes.",
            )  # fmt: skip
        if new.get("properties.condition"):
            raise Refusal(
                400, "RoleAssignmentConditionNotSupported",
                "properties.condition is not evaluated by the sandbox, and without it the role would grant more: leave "
                "it out, or give a custom role that allows less.",
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

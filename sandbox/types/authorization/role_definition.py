"""Role definition: a custom role, which counts in the access check as a built-in one does."""

from sandbox import clock
from sandbox.arm import access
from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.roles import DEFINITION, ROLES

GUID = Name(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a GUID")


class RoleDefinition(Kind):
    """``Microsoft.Authorization/roleDefinitions``."""

    arm_type = DEFINITION
    level = "enforced"
    name = GUID
    provisioning = False
    differs = {"GET of a collection": "custom roles only; the built-in ones are known by id and by name"}

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A name of its own, and scopes at which its author may define roles: also those that it leaves."""
        name, scopes = str(new.get("properties.roleName") or ""), _scopes(new)
        if new.name.lower() in ROLES:
            raise Refusal(400, "InvalidRoleDefinitionId", f"'{new.name}' is the built-in role {_built_in(new)}.")
        if not name or not isinstance(new.get("properties.permissions"), list):
            raise Refusal(400, "InvalidRoleDefinition", "A role has properties.roleName and properties.permissions.")
        if str(new.get("properties.type") or "CustomRole") != "CustomRole":
            raise Refusal(400, "InvalidRoleDefinition", "properties.type is CustomRole: nobody makes built-in roles.")
        if not scopes or not within(new, new.id.scope):
            raise Refusal(
                400, "InvalidAssignableScopes",
                f"properties.assignableScopes is {list(scopes)}: want the scope of the request, '{new.id.scope}', or "
                "one that encloses it, among them.",
            )  # fmt: skip
        for other in view.of_kind(DEFINITION):
            if other.id.key != new.id.key and other.name.lower() == new.name.lower():
                raise Refusal(409, "RoleDefinitionExists", f"The role '{new.name}' is defined at '{other.id.scope}'.")
            if other.id.key != new.id.key and str(other["properties.roleName"]).lower() == name.lower():
                raise _taken(name)
        if any(role.name.lower() == name.lower() for role in ROLES.values()):
            raise _taken(name)
        author = view.caller if isinstance(view, Change) else ""
        for scope in (*scopes, *(_scopes(old) if old else ())):
            access.require(view.reader, author, self.operation("write"), scope)

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """When it was written."""
        new.properties["updatedOn"] = clock.timestamp()

    def outputs(self, me: Resource, view: View) -> Body:
        """Its type, where none was sent."""
        return {"properties": {"type": "CustomRole"}}

    def check_delete(self, me: Resource, view: View) -> None:
        """Not while somebody has it."""
        rows = view.reader.all("SELECT key FROM grants WHERE role = ? ORDER BY key", (me.name.lower(),))
        if rows:
            raise Refusal(
                400, "RoleDefinitionHasAssignments",
                f"There are existing role assignments referencing role '{me['properties.roleName']}': "
                f"{', '.join(row['key'] for row in rows)}.",
            )  # fmt: skip


def find(guid: str, view: View) -> Resource | None:
    """The custom role of an id, wherever it is defined."""
    return next((each for each in view.of_kind(DEFINITION) if each.name.lower() == guid.lower()), None)


def within(role: Resource, scope: str) -> bool:
    """Whether a custom role may be assigned at a scope."""
    here = f"{scope}/".lower()
    return any(here.startswith(f"{each.rstrip('/')}/".lower()) for each in _scopes(role))


def _scopes(role: Resource) -> tuple[str, ...]:
    return tuple(str(each) for each in role.get("properties.assignableScopes") or ())


def _built_in(role: Resource) -> str:
    return ROLES[role.name.lower()].name


def _taken(name: str) -> Refusal:
    return Refusal(409, "RoleDefinitionWithSameNameExists", f"A role named '{name}' exists.")

"""What every asset of Azure ML shares: a container, and versions below it whose content never changes.

A kind of asset is a file beside this one with four short classes: container and version, in a workspace and in a
registry. Here is what they have in common; :func:`resolve` reads the many ways in which one is referred to.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sandbox.arm import ids
from sandbox.arm.kind import Body, Kind, Name, Refusal
from sandbox.arm.resource import Change, Listing, Order, Resource, View

ML = "Microsoft.MachineLearningServices"
ASSET_NAME = Name(
    r"[A-Za-z0-9_][-\w.]{0,254}",
    "1-255 letters, digits, hyphens, underscores or periods, starting with a letter, a digit or an underscore",
    source="Azure/azure-rest-api-specs: machinelearningservices, pattern of asset names",
)
DEFAULT_VERSION = "azureml_default"
UNIQUE_REGISTRY = "mlregistry"
# Roles name the assets of a registry together, whatever their kind.
_IN_REGISTRY = f"{ML}/registries/assets"
READ, WRITE = f"{_IN_REGISTRY}/read", f"{_IN_REGISTRY}/write"
_MUTABLE = frozenset({"description", "tags", "properties", "isArchived", "isAnonymous", "stage", "autoDeleteSetting"})


class Container(Kind):
    """All versions of one asset: made with the first, it says which is the latest and what the next may be called."""

    level = "enforced"
    name = ASSET_NAME
    system_data = True

    def operation(self, verb: str) -> str:
        """As :func:`operation`."""
        return operation(self.arm_type, verb)

    def outputs(self, me: Resource, view: View) -> Body:
        """The latest version by time of creation, and the next one's name."""
        latest = newest(me, view)
        return {
            "properties": {
                "latestVersion": latest.name if latest else None,
                "nextVersion": self.next_version(latest, view),
            }
        }

    def next_version(self, latest: Resource | None, view: View) -> str:
        """A number counts up; any other name is followed by the time of the latest version."""
        if latest is None:
            return "1"
        if not latest.name.isdigit():
            return stamp(latest.created)
        number = int(latest.name) + 1
        while view.get(f"{latest.id.parent}/versions/{number}"):
            number += 1
        return str(number)

    def check_delete(self, me: Resource, view: View) -> None:
        """Its versions go with it, so none may be in use."""
        for each in versions(me, view):
            view.registry.need(each.id).check_delete(each, view)

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Those that the view type shows, by name."""
        view.need(scope)
        return view.listing(scope, self.arm_type).where(lambda each: shown(each, query))


class Version(Kind):
    """One version of an asset: the same content again changes nothing, other content is refused.

    Attributes:
        path: the property that says where the content is, if it is stored somewhere.
        bags: maps that Azure shows empty rather than not at all, with numbers as text.
    """

    level = "enforced"
    name = ASSET_NAME
    system_data = True
    path: ClassVar[str] = ""
    bags: ClassVar[tuple[str, ...]] = ("tags", "properties")
    extra: ClassVar[tuple[str, ...]] = ("properties.tags", "properties.properties")

    def operation(self, verb: str) -> str:
        """As :func:`operation`."""
        return operation(self.arm_type, verb)

    def parent_body(self, new: Resource) -> Body:
        """The container is made with its first version."""
        return {"properties": {}}

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Flags and maps that Azure always shows."""
        for flag in ("isAnonymous", "isArchived"):
            new.properties[flag] = bool(new.properties.get(flag))
        for bag in self.bags:
            new.properties[bag] = _as_text(new, bag)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Content is immutable; what describes it is not."""
        if old is None:
            return
        before, after = self.content(old.properties), self.content(new.properties)
        if self.path and before.get(self.path) != after.get(self.path):
            raise Refusal(
                409,
                "UserError",
                f"Asset paths cannot be updated. {self.path} of {ml_name(new)} is '{before.get(self.path)}', not "
                f"'{after.get(self.path)}': give the changed content a new version.",
            )
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        if changed:
            raise Refusal(
                409,
                "UserError",
                f"{ml_name(new)} already exists and is immutable: {', '.join(changed)} cannot change. "
                "Give the changed content a new version.",
            )

    def content(self, properties: Body) -> Body:
        """What must stay as it was."""
        return {key: value for key, value in properties.items() if key not in _MUTABLE and value not in (None, {}, [])}

    def check_delete(self, me: Resource, view: View) -> None:
        """A version that a deployment, a schedule or a running job uses cannot go."""
        if users := view.users(me.id.text, *filter(None, [registry_id(me)])):
            what, name = users[0].split("/")[-2:]
            raise Refusal(409, "UserError", f"{ml_name(me)} cannot be deleted: {what} '{name}' uses it ({users[0]}).")

    def find(self, where: ids.ResourceId, view: View) -> Resource | None:
        """A version by its name; ``azureml_default`` shows the latest under that name."""
        if where.name != DEFAULT_VERSION:
            return view.get(where.text)
        found = _latest(where, view)
        return replace(found, id=where) if found else None

    def outputs(self, me: Resource, view: View) -> Body:
        """A default version is shown as the label that it was found by."""
        return {"id": f"{me.id.parent}/labels/default"} if me.name == DEFAULT_VERSION else {}

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> Listing:
        """Those that the view type shows, the newest first unless asked otherwise; none of an absent asset."""
        view.need(scope.rsplit("/", 2)[0])
        order = (query.get("$orderBy") or query.get("orderBy") or "createdtime desc").lower()
        wanted: Order = "newest" if not order.endswith("asc") and " " in order else "oldest"
        return view.listing(scope, self.arm_type, wanted).where(lambda each: shown(each, query))


def operation(arm_type: str, verb: str) -> str:
    """What a role must cover for a verb on an asset: in a registry the same for every kind."""
    return f"{_IN_REGISTRY if '/registries/' in arm_type else arm_type}/{verb}"


def _as_text(me: Resource, bag: str) -> Body:
    given = me.properties.get(bag) or {}
    if not isinstance(given, dict):
        raise Refusal(400, "UserError", f"{bag} of {ml_name(me)} is {json.dumps(given)}: want an object.")
    return {key: value if isinstance(value, str | dict) else json.dumps(value) for key, value in given.items()}


def versions(container: Resource, view: View) -> list[Resource]:
    """Every version of an asset, archived ones included."""
    return view.children(container.id.text, f"{container.id.type}/versions")


def newest(container: Resource, view: View) -> Resource | None:
    """The version that was created last, of those that are not archived if there is one."""
    found = view.listing(container.id.text, f"{container.id.type}/versions", "newest")
    return next((each for each in found if not each.get("properties.isArchived")), next(iter(found), None))


def stamp(created: str) -> str:
    """A moment as Azure ML writes it into a version's name, to a tenth of a microsecond."""
    return datetime.fromisoformat(created).strftime("%Y-%m-%d-%H-%M-%S-%f") + "0"


def shown(me: Resource, query: Mapping[str, str]) -> bool:
    """Whether the view type of a list shows a resource: active ones, unless archived ones or all are asked for."""
    wanted = query.get("listViewType") or "ActiveOnly"
    archived = bool(me.get("properties.isArchived"))
    return wanted == "All" or archived == (wanted == "ArchivedOnly")


def ml_name(me: Resource) -> str:
    """A version as a person calls it: ``environments train:3``."""
    parts = me.id.text.split("/")
    return f"{parts[-4]} {parts[-3]}:{parts[-1]}"


def versions_in(me: Resource) -> set[str]:
    """How the body of a deployment, a schedule or a job refers to versions by their whole ids, in lower case."""
    texts = {text.lower() for text in _texts(me.body)}
    return {
        text.removeprefix("azureml:") if text.startswith("azureml:/sub") else text
        for text in texts if "/versions/" in text
    }  # fmt: skip


def registry_id(me: Resource) -> str:
    """How a registry's asset is referred to from outside; '' for one in a workspace."""
    parts = me.id.text.split("/")
    return f"azureml://registries/{parts[8].lower()}/{'/'.join(parts[9:])}" if parts[7].lower() == "registries" else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


_REGISTRY = re.compile(r"azureml://registries/([^/]+)/(\w+)/([^/]+)/(versions|labels)/([^/]+)", re.IGNORECASE)
_SHORT = re.compile(r"(?:azureml:)?([^:/@\s]+)(?::([^:/@\s]+)|@([^:/@\s]+))")


def resolve(reference: str, segment: str, workspace: str, view: View) -> Resource | None:
    """The asset version that a reference means, or None: one of the workspace itself or of a registry.

    Args:
        reference: an ARM id with or without ``azureml:`` before it, ``azureml:NAME:VERSION``, ``azureml:NAME@LABEL``
            or ``azureml://registries/REGISTRY/KIND/NAME/versions/VERSION``.
        segment: the kind of asset that a short reference means, such as ``environments``.
        workspace: ARM id of the workspace in which a short reference is meant.
        view: where to look.
    """
    if found := _REGISTRY.fullmatch(reference):
        registry = view.named(UNIQUE_REGISTRY, found[1])
        path = f"{registry.id.text}/{found[2]}/{found[3]}/{found[4]}/{found[5]}" if registry else ""
    elif reference.removeprefix("azureml:").startswith("/subscriptions/"):
        path = reference.removeprefix("azureml:")
    elif found := _SHORT.fullmatch(reference):
        below = f"versions/{found[2]}" if found[2] else f"labels/{found[3]}"
        path = f"{workspace}/{segment}/{found[1]}/{below}"
    else:
        path = ""
    owner = "/".join(path.lower().split("/")[:9])
    if not path or ("/workspaces/" in owner and owner != workspace.lower()):  # workspaces share through registries
        return None
    if re.search(r"/labels/(latest|default)$", path):
        return _latest(ids.parse(path), view)
    where = ids.parse(path)
    kind = view.registry.get(where.type)
    return kind.find(where, view) if kind else None


def _latest(where: ids.ResourceId, view: View) -> Resource | None:
    container = view.get(where.parent)
    return newest(container, view) if container else None


def need(reference: str, segment: str, workspace: str, view: View) -> Resource:
    """The asset version that a reference means.

    Raises:
        Refusal: 400, naming the reference.
    """
    found = resolve(reference, segment, workspace, view)
    if found is None:
        owner = ids.parse(workspace)
        there = [
            f"{container.name}:{version.name}"
            for container in view.children(workspace, f"{owner.type}/{segment}")
            for version in versions(container, view)
        ]
        few = ", ".join(there[-5:]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        raise Refusal(
            400, "UserError",
            f"'{reference}' does not exist among the {segment} of {workspace}, which has {few or 'none'}.",
        )  # fmt: skip
    return found

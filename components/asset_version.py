"""One version of code, data, an environment or a component: made once, adopted when it is there, never deleted.

A dynamic resource because azure-native refuses to create what exists, and deletes what the program no longer declares;
docs/adr/0005-versions-are-made-once-and-kept.md has the reasons. Not here: models, which runs register.
"""

from typing import Any, Literal

import pulumi
from pulumi import dynamic

from components import arm

Kind = Literal["codes", "data", "environments", "components"]

# Properties that Azure gives back as they were sent. A component's specification it rewrites; there the version, a
# digest of the specification, has to do.
_HELD: dict[str, tuple[str, ...]] = {
    "codes": ("codeUri",),
    "data": ("dataUri", "dataType"),
    "environments": ("image", "condaFile"),
    "components": (),
}


class AssetVersionProvider(dynamic.ResourceProvider):
    """Makes a version or finds it."""

    # Holds no secret: it is stored readable, so that a review sees what runs.
    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        """Adopts what is there with the same content; makes it otherwise.

        Raises:
            RuntimeError: the version is there with other content; names the property and both values.
        """
        asset_id = _id(props)
        found = arm.get(asset_id)
        # Two stacks, or two models, may make the same version at the same moment.
        if found is None and not arm.put(asset_id, {"properties": _whole(props["properties"])}):
            found = arm.get(asset_id)
        if found is not None:
            _check_same(asset_id, props, found.get("properties", {}))
        return dynamic.CreateResult(id_=asset_id, outs=props)

    def diff(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Another version is another resource; what only describes it stays as it was on the day it was made."""
        changed = [] if _id(news) == id_ else ["version"]
        changed += [key for key in ("workspace_id", "kind", "name") if olds.get(key) != news.get(key)]
        if _held(olds) != _held(news):
            changed.append("properties")
        return dynamic.DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=False)

    def read(self, id_: str, props: dict[str, Any]) -> dynamic.ReadResult:
        """A version that somebody deleted counts as gone, so that the next ``up`` makes it again."""
        return dynamic.ReadResult(id_=id_ if arm.get(id_) else "", outs=props)

    def delete(self, _id: str, _props: dict[str, Any]) -> None:
        """The stack forgets the version, Azure keeps it: models and runs point at it."""


# One object, so that the SDK writes it into the state once and not anew for each resource.
_PROVIDER = AssetVersionProvider()


class AssetVersion(dynamic.Resource, name="AssetVersion"):
    """One version of one asset; its ``id`` is the ARM id.

    Inputs: ``workspace_id``, ``kind``, ``name``, ``version``, ``properties`` (as Azure's REST interface spells them).
    """

    def __init__(
        self,
        resource_name: str,
        *,
        workspace_id: pulumi.Input[str],
        kind: Kind,
        name: str,
        version: pulumi.Input[str],
        properties: dict[str, Any],
        opts: pulumi.ResourceOptions,
    ) -> None:
        props = {
            "workspace_id": workspace_id,
            "kind": kind,
            "name": name,
            "version": version,
            "properties": properties,
        }
        super().__init__(_PROVIDER, resource_name, props, opts)


def _id(props: dict[str, Any]) -> str:
    return f"{props['workspace_id']}/{props['kind']}/{props['name']}/versions/{props['version']}"


def _held(props: dict[str, Any]) -> Any:
    """What no version changes; something else than any value where a preview does not know all properties yet."""
    known = props["properties"]
    return {key: known.get(key) for key in _HELD[props["kind"]]} if isinstance(known, dict) else known


def _check_same(asset_id: str, props: dict[str, Any], found: dict[str, Any]) -> None:
    for key in _HELD[props["kind"]]:
        if found.get(key) != props["properties"][key]:
            raise RuntimeError(
                f"{asset_id} is there with {key}={found.get(key)!r}, want {props['properties'][key]!r}: a version is "
                "made once. Rename the asset, or archive this version and change its content"
            )


def _whole(value: Any) -> Any:
    """Numbers come from the engine as floats; Azure wants the whole ones whole."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value

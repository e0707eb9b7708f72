"""Change the cloud behind the client's back, as a colleague in the portal would: for tests of ``refresh``."""

from typing import Any

from sandbox.arm.azure import Azure
from sandbox.arm.operations import erase_tree
from sandbox.arm.resource import Change, place


async def mutate(azure: Azure, resource_id: str, values: dict[str, Any], *, delete: bool) -> None:
    """Set dotted paths of a resource's body, or take the resource away, without any rule being asked."""

    def write(change: Change) -> None:
        me = change.need(resource_id)
        if delete:
            erase_tree(change, me)
            return
        for path, value in values.items():
            place(me.body, path, value)
        change.save(me)

    await azure.change("", write)

"""What a region offers Azure ML: the sizes that compute can be of."""

from collections.abc import Mapping

from sandbox.arm.ids import parse
from sandbox.arm.kind import Kind, Refusal
from sandbox.arm.resource import Resource, View
from sandbox.types.ml.asset import ML
from sandbox.types.ml.vm_sizes import SIZES, VmSize


class VmSizes(Kind):
    """``locations/vmSizes``."""

    arm_type = f"{ML}/locations/vmSizes"
    level = "enforced"
    provisioning = False
    made_by_azure = True

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """Never written by a client."""
        raise Refusal(405, "MethodNotAllowed", "The sizes of a region are Azure's own.")

    def listed(self, scope: str, query: Mapping[str, str], view: View) -> list[Resource]:
        """Every size that is known, in each region."""
        return [Resource(parse(f"{scope}/vmSizes/{size.name}"), _show(size)) for size in SIZES.values()]


def _show(size: VmSize) -> dict[str, object]:
    return {
        "family": size.family, "vCPUs": size.cores, "gpus": size.gpus, "memoryGB": size.memory,
        "osVhdSizeMB": 1047552, "maxResourceVolumeMB": 0, "premiumIO": True, "lowPriorityCapable": True,
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }  # fmt: skip

"""Virtual machine sizes that Azure ML's compute takes, and those that have been retired.

Sources: learn.microsoft.com, "Sizes for virtual machines" and "Retirements and capacity restrictions", as of
November 2026. Sizes whose capacity is restricted for new subscriptions are known and accepted: what a subscription
may have is a matter of quota.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from sandbox.arm.kind import Refusal


@dataclass(frozen=True)
class VmSize:
    """What a size has.

    Attributes:
        name: in Azure's case.
        family: the quota it counts against.
        cores: virtual CPUs.
        memory: in GiB.
        gpus: number of accelerators.
    """

    name: str
    family: str
    cores: int
    memory: float
    gpus: int = 0


# Family -> pattern with {n}, the sizes of it, GiB per core. GPU families are spelt out below.
_REGULAR: tuple[tuple[str, str, tuple[int, ...], float], ...] = (
    ("standardDSv2Family", "Standard_DS{i}_v2", (1, 2, 4, 8, 16), 3.5),
    ("standardDv2Family", "Standard_D{i}_v2", (1, 2, 4, 8, 16), 3.5),
    ("standardDSv3Family", "Standard_D{n}s_v3", (2, 4, 8, 16, 32, 48, 64), 4),
    ("standardDv3Family", "Standard_D{n}_v3", (2, 4, 8, 16, 32, 48, 64), 4),
    ("standardFSv2Family", "Standard_F{n}s_v2", (2, 4, 8, 16, 32, 48, 64, 72), 2),
    ("standardESv3Family", "Standard_E{n}s_v3", (2, 4, 8, 16, 20, 32, 48, 64), 8),
)
for _generation in ("v4", "v5", "v6"):
    _REGULAR += tuple(
        (
            f"standard{letter}{suffix.upper()}{_generation}Family",
            f"Standard_{letter}{{n}}{suffix}_{_generation}",
            (2, 4, 8, 16, 32, 48, 64, 96),
            ratio,
        )
        for letter, ratio in (("D", 4), ("E", 8))
        for suffix in ("s", "ds", "as", "ads", "d", "")
    )
for _generation in ("v6", "v7"):
    _REGULAR += tuple(
        (f"standard{name}{_generation}Family", f"Standard_F{{n}}{name[1:].lower()}_{_generation}", sizes, ratio)
        for name, ratio in (("Fas", 4), ("Fals", 2), ("Fams", 8))
        for sizes in ((2, 4, 8, 16, 32, 48, 64),)
    )

_ACCELERATED = (
    VmSize("Standard_NC4as_T4_v3", "standardNCASv3_T4Family", 4, 28, 1),
    VmSize("Standard_NC8as_T4_v3", "standardNCASv3_T4Family", 8, 56, 1),
    VmSize("Standard_NC16as_T4_v3", "standardNCASv3_T4Family", 16, 110, 1),
    VmSize("Standard_NC64as_T4_v3", "standardNCASv3_T4Family", 64, 440, 4),
    VmSize("Standard_NC24ads_A100_v4", "standardNCADSA100v4Family", 24, 220, 1),
    VmSize("Standard_NC48ads_A100_v4", "standardNCADSA100v4Family", 48, 440, 2),
    VmSize("Standard_NC96ads_A100_v4", "standardNCADSA100v4Family", 96, 880, 4),
    VmSize("Standard_NC40ads_H100_v5", "standardNCADSH100v5Family", 40, 320, 1),
    VmSize("Standard_NC80adis_H100_v5", "standardNCADSH100v5Family", 80, 640, 2),
    VmSize("Standard_ND96asr_v4", "standardNDASv4_A100Family", 96, 900, 8),
    VmSize("Standard_ND96amsr_A100_v4", "standardNDAMSv4_A100Family", 96, 1900, 8),
    VmSize("Standard_ND96isr_H100_v5", "standardNDSH100v5Family", 96, 1900, 8),
    VmSize("Standard_NV6ads_A10_v5", "standardNVADSA10v5Family", 6, 55, 1),
    VmSize("Standard_NV12ads_A10_v5", "standardNVADSA10v5Family", 12, 110, 1),
    VmSize("Standard_NV36ads_A10_v5", "standardNVADSA10v5Family", 36, 440, 1),
    VmSize("Standard_M8ms", "standardMSFamily", 8, 218.75),
    VmSize("Standard_M64ms", "standardMSFamily", 64, 1792),
    VmSize("Standard_HC44rs", "standardHCSFamily", 44, 352),
    VmSize("Standard_HB120rs_v2", "standardHBrsv2Family", 120, 456),
    VmSize("Standard_HB120rs_v3", "standardHBv3Family", 120, 448),
)

_RETIRED = (
    (r"Standard_NC\d+r?", "2023-08-31", "Standard_NC4as_T4_v3"),
    (r"Standard_NC\d+r?s_v2|Standard_ND\d+r?s", "2023-08-31", "Standard_NC24ads_A100_v4"),
    (r"Standard_NC\d+r?s_v3", "2025-09-30", "Standard_NC24ads_A100_v4"),
    (r"Standard_NV\d+", "2023-08-31", "Standard_NV6ads_A10_v5"),
    (r"Standard_NV\d+s_v3|Standard_NV\d+as_v4", "2026-09-30", "Standard_NV6ads_A10_v5"),
)


def _sizes() -> dict[str, VmSize]:
    found = {}
    for family, pattern, cores, ratio in _REGULAR:
        for index, number in enumerate(cores, 1):
            size = VmSize(pattern.format(n=number, i=index), family, number, number * ratio)
            found[size.name.lower()] = size
    return {**found, **{size.name.lower(): size for size in _ACCELERATED}}


SIZES = _sizes()


@lru_cache(maxsize=256)
def need_size(name: str, what: str) -> VmSize:
    """The size of this name, whatever its case.

    Args:
        name: such as ``Standard_D4ds_v5``.
        what: who asks, for the message.

    Raises:
        Refusal: 400 for a retired size, with the date and a successor, and for an unknown one, with its neighbours.
    """
    if found := SIZES.get(name.lower()):
        return found
    for pattern, day, successor in _RETIRED:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            raise Refusal(
                400, "VmSizeRetired", f"vmSize of {what} is '{name}', retired on {day}: take one such as {successor}."
            )
    stem = name.lower()[:10]
    near = [size.name for key, size in SIZES.items() if key.startswith(stem)][:5] or ["Standard_D4ds_v5"]
    raise Refusal(
        400, "InvalidVmSize", f"vmSize of {what} is '{name}', which is not supported; near it: {', '.join(near)}."
    )

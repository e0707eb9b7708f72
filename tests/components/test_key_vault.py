"""The key vault: roles instead of policies, and what its deletion leaves behind."""

from typing import Any

import pytest

from components.key_vault import KeyVault, KeyVaultArgs
from components.place import GroupPlace
from tests.conftest import TENANT, Declare

KEY = "mlops:azure:KeyVault$azure-native:keyvault:Vault::ml-vault"
GOOD: dict[str, Any] = {
    "vault_name": "kv-test",
    "tenant_id": TENANT,
    "soft_delete_days": 7,
    "purge_protection": False,
    "public_network": True,
}


def vault(declare: Declare, place: GroupPlace, **changes: Any) -> dict[str, Any]:
    args = KeyVaultArgs(place=place, **(GOOD | changes))
    return declare(lambda: KeyVault("ml", args))[KEY]


def test_roles_open_the_vault_and_policies_do_not(declare: Declare, place: GroupPlace) -> None:
    got = vault(declare, place)
    assert got["properties"]["enableRbacAuthorization"] is True
    assert "accessPolicies" not in got["properties"]
    assert got["properties"]["tenantId"] == TENANT
    assert (got["vaultName"], got["tags"]) == ("kv-test", place.tags)


def test_what_azure_fixed_is_held_before_the_vault_is_touched(declare: Declare, place: GroupPlace) -> None:
    declared = declare(lambda: KeyVault("ml", KeyVaultArgs(place=place, **GOOD)))
    note = declared[next(urn for urn in declared.inputs if urn.endswith("::ml-fixed"))]
    assert set(note["values"]) == {"purge_protection", "soft_delete_days"}
    assert "ml-fixed" in {urn.rpartition("::")[2] for urn in declared.options[KEY].dependencies}
    assert declared.options[KEY].deleteBeforeReplace, "its name is taken as long as it is there"


def test_a_vault_without_purge_protection_does_not_mention_it(declare: Declare, place: GroupPlace) -> None:
    """Azure refuses an explicit false."""
    assert "enablePurgeProtection" not in vault(declare, place)["properties"]


def test_a_purge_protected_vault_says_so(declare: Declare, place: GroupPlace) -> None:
    got = vault(declare, place, purge_protection=True, soft_delete_days=90)["properties"]
    assert (got["enablePurgeProtection"], got["softDeleteRetentionInDays"]) == (True, 90)


@pytest.mark.parametrize("days", [0, 6, 91])
def test_days_that_azure_refuses_are_refused_and_named(place: GroupPlace, days: int) -> None:
    with pytest.raises(ValueError, match=f"soft_delete_days={days}: want 7 to 90"):
        KeyVaultArgs(place=place, **(GOOD | {"soft_delete_days": days}))


@pytest.mark.parametrize(("public", "said"), [(True, "Enabled"), (False, "Disabled")])
def test_it_is_reached_from_where_it_was_asked_to_be(
    declare: Declare, place: GroupPlace, public: bool, said: str
) -> None:
    assert vault(declare, place, public_network=public)["properties"]["publicNetworkAccess"] == said

"""Built-in Azure roles this platform assigns. Source of the ids: learn.microsoft.com, "built-in-roles"."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """One built-in role.

    Attributes:
        name: as Azure's portal shows it.
        guid: the same in every tenant and cloud.
    """

    name: str
    guid: str

    def definition_id(self, subscription_id: str) -> str:
        """Returns the ARM id that Azure itself reports, so that a refresh finds no difference."""
        return f"/subscriptions/{subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{self.guid}"


ACR_PULL = Role("AcrPull", "7f951dda-4ed3-4680-a7ca-43fe172d538d")
AZUREML_METRICS_WRITER = Role("AzureML Metrics Writer (preview)", "635dd51f-9968-44d3-b7fb-6d9a6bd613ae")
CONTRIBUTOR = Role("Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c")
KEY_VAULT_ADMINISTRATOR = Role("Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483")
READER = Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7")
STORAGE_BLOB_DATA_CONTRIBUTOR = Role("Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe")
STORAGE_BLOB_DATA_READER = Role("Storage Blob Data Reader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1")

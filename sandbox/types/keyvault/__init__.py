"""Microsoft.KeyVault: vaults and what is left of deleted ones."""

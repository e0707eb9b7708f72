"""Microsoft.Storage: accounts, their services, containers and shares."""

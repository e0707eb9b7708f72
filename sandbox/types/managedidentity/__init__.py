"""Microsoft.ManagedIdentity: identities that resources share."""

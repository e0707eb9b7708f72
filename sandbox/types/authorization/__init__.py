"""Microsoft.Authorization: role assignments and definitions."""

"""Azure Resource Manager: ids, verbs, rules and long-running operations, once for every kind."""

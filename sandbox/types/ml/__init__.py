"""Microsoft.MachineLearningServices: workspaces, their assets and compute, registries."""

"""A Pulumi resource becomes ARM calls: in-process for the engine, as a plugin for the Pulumi CLI."""

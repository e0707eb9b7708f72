"""Runs a Pulumi program and makes the sandbox what it declares, without the Pulumi CLI."""

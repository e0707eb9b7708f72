"""One file for each Azure thing the platform is made of: typed inputs, checks, outputs."""

"""Measures what the product promises, each figure beside its yardstick: ``make bench``."""

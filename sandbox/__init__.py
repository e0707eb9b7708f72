"""Azure on a laptop: real clients, real work, nothing leaves the machine.

The sandbox knows Azure's rules and nothing of the project beside it: it imports no other room, and only tests
import it. Start with ``python -m sandbox --help``.
"""

"""Where a sandbox lives: one folder that ``down`` empties and ``purge`` removes."""

import os
from dataclasses import dataclass
from pathlib import Path

from sandbox.atomic import make_folder


@dataclass(frozen=True)
class Home:
    """Paths of one sandbox.

    Attributes:
        root: the folder, ``.sandbox`` below the working directory unless SANDBOX_HOME names another.
    """

    root: Path

    @classmethod
    def find(cls) -> "Home":
        """The home that the environment names, else ``.sandbox`` in the working directory."""
        return cls(Path(os.environ.get("SANDBOX_HOME", ".sandbox")).resolve())

    @property
    def database(self) -> Path:
        """The SQLite file: resources, operations, blobs up to 64 KiB, engine state."""
        return self.root / "state.db"

    @property
    def blobs(self) -> Path:
        """Bodies of larger blobs, one file each."""
        return self.root / "blobs"

    @property
    def kept_blobs(self) -> Path:
        """Those that the last good copy of the state names: links to the same files."""
        return self.root / "blobs.good"

    @property
    def authority(self) -> Path:
        """The private certificate authority and the bundle that clients trust."""
        return self.root / "authority"

    @property
    def ca_bundle(self) -> Path:
        """The certificate that clients trust."""
        return self.authority / "ca.pem"

    @property
    def secret(self) -> Path:
        """The secret of the sandbox's own caller, readable by its owner only."""
        return self.root / "caller.secret"

    @property
    def identities(self) -> Path:
        """Secrets and tokens of the identities that somebody here may become."""
        return self.root / "identities"

    @property
    def server(self) -> Path:
        """Process id, port and start time of the running gateway."""
        return self.root / "server.json"

    @property
    def port(self) -> Path:
        """Port of the gateway, or of the last one: the next takes it again if it can."""
        return self.root / "port"

    @property
    def logs(self) -> Path:
        """Logs of the gateway and of each process it runs."""
        return self.root / "logs"

    @property
    def work(self) -> Path:
        """Working folders of jobs and deployments."""
        return self.root / "work"

    @property
    def cache(self) -> Path:
        """What can be made again: resource schemas read from the provider package."""
        return self.root / "cache"

    @property
    def outputs(self) -> Path:
        """What each stack exports, for operations."""
        return self.root / "outputs"

    @property
    def live(self) -> Path:
        """What is live in each stack, as releases write it."""
        return self.root / "live"

    def make(self) -> None:
        """Create the folders, readable by their owner only; so is one that somebody else made."""
        for folder in (self.root, self.blobs, self.authority, self.logs, self.work, self.cache):
            make_folder(folder)
        if self.root.stat().st_mode & 0o077:
            self.root.chmod(0o700)

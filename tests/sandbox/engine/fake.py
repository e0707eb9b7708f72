"""A cloud of a few lines behind the provider interface, kept in a file so that it outlives a killed process."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.provider.base import Checked, Diff, Made, Naming, ProviderError
from sandbox.provider.diffing import compare
from sandbox.values import UNKNOWN, Props, has_unknown, plain


class FakeCloud:
    """Objects by id, and a log of what was done to them.

    Inputs that mean something: ``key`` (a change replaces), ``room`` (true: the old one must go first), ``id``
    (physical name; else the logical one), ``bad`` (check fails), ``fail`` (a verb, or ``partial``, that fails).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            path.write_text('{"objects": {}, "log": []}', encoding="utf-8")
        self.die_at: int | None = None  # at the n-th moment this process gets the signal
        self.die_of = signal.SIGKILL

    @contextmanager
    def state(self) -> Iterator[dict[str, Any]]:
        with self.path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = json.loads(self.path.read_text(encoding="utf-8"))
            yield content
            part = self.path.with_suffix(".part")
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(self.path)

    @property
    def objects(self) -> dict[str, Props]:
        with self.state() as content:
            found: dict[str, Props] = content["objects"]
            return found

    @property
    def log(self) -> list[str]:
        with self.state() as content:
            found: list[str] = content["log"]
            return found

    def clear_log(self) -> None:
        with self.state() as content:
            content["log"] = []

    def moment(self) -> None:
        """A point at which a drill may kill the process."""
        if self.die_at is not None:
            self.die_at -= 1
            if self.die_at == 0:
                os.kill(os.getpid(), self.die_of)


class FakeProvider:
    def __init__(self, cloud: FakeCloud, config: Mapping[str, object]) -> None:
        self.cloud = cloud
        self.config = config

    def check_config(self, config: Props) -> tuple[tuple[str, str], ...]:
        return (("region", "is 'nowhere'; want a region"),) if plain(config.get("region")) == "nowhere" else ()

    def check(self, urn: str, old: Props | None, new: Props, naming: Naming) -> Checked:
        failures = (("bad", "is bad; want good"),) if plain(new.get("bad")) else ()
        return Checked(new, failures)

    def diff(self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props) -> Diff:
        changes = compare(old, new, lambda path: path in ("key", "id"))
        return Diff(changes, bool(plain(old.get("room"))))

    def claim(self, urn: str, inputs: Props) -> str:
        found = str(plain(inputs.get("id")) or urn.rpartition("::")[2])
        if found in self.cloud.objects:
            raise ProviderError(f"{found} exists already", "AlreadyExists")
        return found

    def create(self, urn: str, inputs: Props, *, preview: bool, timeout: float) -> Made:
        if preview:
            return Made("", {**inputs, "out": UNKNOWN})
        assert not has_unknown(inputs)
        clear = plain(inputs)
        name = str(clear.get("id") or urn.rpartition("::")[2])
        self.cloud.moment()
        if clear.get("fail") == "create":
            raise ProviderError("no room in the cloud", "Full")
        if clear.get("fail") == "uncertain":
            raise ProviderError("the line broke", uncertain=True)
        with self.cloud.state() as content:
            assert name not in content["objects"], f"{name} is made twice"
            content["objects"][name] = clear
            content["log"].append(f"create {name}")
        self.cloud.moment()
        made = Made(name, {**clear, "out": f"{name}-out"})
        if clear.get("fail") == "partial":
            raise ProviderError("it came up broken", "Broken", made)
        return made

    def read(self, urn: str, resource_id: str, inputs: Props | None, outputs: Props) -> Made | None:
        found = self.cloud.objects.get(resource_id)
        if found is None:
            return None
        drifted = (
            None if inputs is None else {**inputs, **{k: v for k, v in found.items() if v != plain(inputs.get(k))}}
        )
        return Made(resource_id, {**found, "out": f"{resource_id}-out"}, drifted)

    def update(
        self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props, *, preview: bool, timeout: float
    ) -> Made:
        if preview:
            return Made(resource_id, {**outputs, **new})
        clear = plain(new)
        self.cloud.moment()
        if clear.get("fail") == "update":
            raise ProviderError("it cannot be changed now", "Conflict")
        with self.cloud.state() as content:
            assert resource_id in content["objects"], f"{resource_id} is updated but not there"
            content["objects"][resource_id] = clear
            content["log"].append(f"update {resource_id}")
        self.cloud.moment()
        return Made(resource_id, {**clear, "out": f"{resource_id}-out"})

    def delete(self, urn: str, resource_id: str, inputs: Props, outputs: Props, *, timeout: float) -> None:
        self.cloud.moment()
        if plain(inputs.get("fail")) == "delete":
            raise ProviderError("it is in use", "InUse")
        with self.cloud.state() as content:
            content["objects"].pop(resource_id, None)
            content["log"].append(f"delete {resource_id}")
        self.cloud.moment()

    def invoke(self, function: str, args: Props) -> Props:
        if function.endswith("missing"):
            raise ProviderError("there is no missing")
        return {"echo": args, "region": self.config.get("region", "none")}

    def close(self) -> None:
        return

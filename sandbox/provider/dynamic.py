"""``pulumi-python:dynamic:Resource``: a resource whose provider is Python code of the program itself.

The SDK pickles the provider into the property ``__provider``; this runs it in-process. Such a provider cannot be
asked whether an interrupted creation took place, so its ``create`` must be repeatable.
"""

import base64
import threading
from typing import Any

import dill  # type: ignore[import-untyped]
from pulumi.dynamic import Config, ConfigureRequest, ResourceProvider
from pulumi.output import UNKNOWN as NOT_KNOWN
from pulumi.output import Unknown
from pulumi.runtime._serialization import _deserialize

from sandbox.provider.base import Change, Checked, Diff, Kind, Made, Naming, ProviderError
from sandbox.provider.diffing import compare
from sandbox.values import UNKNOWN, Json, Props, is_unknown, plain

_PROVIDER = "__provider"


class Dynamic:
    """The provider of every dynamic resource.

    Args:
        project: name of the project, for the provider's configuration.
        config: full key to value.
    """

    def __init__(self, project: str, config: dict[str, str]) -> None:
        self._config = Config(raw_config=config, project_name=project)
        self._known: dict[str, ResourceProvider] = {}
        self._guard = threading.Lock()

    def check_config(self, config: Props) -> tuple[tuple[str, str], ...]:
        """There is no explicit provider of dynamic resources."""
        return ()

    def check(self, urn: str, old: Props | None, new: Props, naming: Naming) -> Checked:
        """Ask the program's provider; what is not known yet it is given as ``pulumi.output.Unknown``."""
        answer = self._ask(urn, "check", new, _python(old or {}), _python(new))
        failures = tuple((failure.property, failure.reason) for failure in answer.failures or ())
        return Checked({**_json(answer.inputs), _PROVIDER: new[_PROVIDER]}, failures)

    def diff(self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props) -> Diff:
        """Ask the program's provider; its code is compared too, as Pulumi does."""
        changes = compare(old, new)
        answer = self._ask(urn, "diff", new, resource_id, _python(outputs), _python(new))
        if answer.changes is False:
            return Diff()
        for path in answer.replaces or ():
            kind = changes[path].kind if path in changes else Kind.UPDATE
            changes[path] = Change(kind, replace=True)
        if answer.changes and not changes:
            changes["*"] = Change(Kind.UPDATE)
        return Diff(changes, bool(answer.delete_before_replace))

    def claim(self, urn: str, inputs: Props) -> str:
        """Only the creation shows the id."""
        return ""

    def create(self, urn: str, inputs: Props, *, preview: bool, timeout: float) -> Made:
        """Run the program's ``create``."""
        if preview:
            return Made("", {name: value for name, value in inputs.items() if name != _PROVIDER})
        answer = self._ask(urn, "create", inputs, plain(inputs))
        return Made(str(answer.id), {**(answer.outs or {}), _PROVIDER: inputs[_PROVIDER]})

    def read(self, urn: str, resource_id: str, inputs: Props | None, outputs: Props) -> Made | None:
        """Run the program's ``read``; one without an id is gone."""
        source = outputs if _PROVIDER in outputs else inputs or {}
        if _PROVIDER not in source:
            raise ProviderError("a dynamic resource can only be read through the program that made it")
        answer = self._ask(urn, "read", source, resource_id, plain(outputs))
        if not answer.id:
            return None
        return Made(str(answer.id), {**(answer.outs or {}), _PROVIDER: source[_PROVIDER]}, inputs)

    def update(
        self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props, *, preview: bool, timeout: float
    ) -> Made:
        """Run the program's ``update``."""
        if preview:
            return Made(resource_id, {name: new.get(name, UNKNOWN) for name in {**outputs, **new}})
        answer = self._ask(urn, "update", new, resource_id, plain(outputs), plain(new))
        return Made(resource_id, {**(answer.outs or {}), _PROVIDER: new[_PROVIDER]})

    def delete(self, urn: str, resource_id: str, inputs: Props, outputs: Props, *, timeout: float) -> None:
        """Run the program's ``delete``."""
        self._ask(urn, "delete", outputs if _PROVIDER in outputs else inputs, resource_id, plain(outputs))

    def invoke(self, function: str, args: Props) -> Props:
        """Dynamic providers have no functions."""
        raise ProviderError(f"{function}: dynamic providers have no functions")

    def close(self) -> None:
        """The program's providers have nothing to let go of."""

    def _ask(self, urn: str, verb: str, props: Props, *args: object) -> Any:
        try:
            return getattr(self._provider(plain(props[_PROVIDER])), verb)(*args)
        except Exception as error:
            raise ProviderError(f"{verb} of {urn.rpartition('::')[2]}: {error}", type(error).__name__) from error

    def _provider(self, pickled: str) -> ResourceProvider:
        with self._guard:
            if pickled not in self._known:
                # The program of this very run pickled it; nothing else writes it.
                provider = _deserialize(lambda: dill.loads(base64.b64decode(pickled)))  # noqa: S301
                provider.configure(ConfigureRequest(config=self._config))
                self._known[pickled] = provider
            return self._known[pickled]


def _python(value: Json) -> Any:
    """A value as the SDK hands it to a dynamic provider."""
    value = plain(value)
    if is_unknown(value):
        return NOT_KNOWN
    if isinstance(value, dict):
        return {key: _python(item) for key, item in value.items()}
    return [_python(item) for item in value] if isinstance(value, list) else value


def _json(value: Any) -> Json:
    if isinstance(value, Unknown):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    return [_json(item) for item in value] if isinstance(value, list | tuple) else value

"""``azure-native`` resources: Pulumi's calls as ARM's. It cannot tell the sandbox from Azure.

Not here: which types and properties there are (``sandbox/arm/schema.py``), HTTP (``client.py``), functions
(``functions.py``).
"""

import threading
from collections.abc import Callable, Mapping

from sandbox.arm.schema import ResourceType, Schema, UnknownTypeError
from sandbox.constants import CLIENT_ID, OBJECT_ID, SUBSCRIPTION_ID, TENANT_ID
from sandbox.provider import held, rules
from sandbox.provider.base import Change, Checked, Diff, Kind, Made, Naming, OfflineError, ProviderError
from sandbox.provider.client import Client, Credential, provisioning_state
from sandbox.provider.diffing import compare
from sandbox.provider.functions import call
from sandbox.values import UNKNOWN, Json, Props, has_unknown, plain

_GROUP = "azure-native:resources:ResourceGroup"
_RESOURCE_GROUPS = "2024-03-01"
_FAILED = frozenset({"failed", "canceled"})
_WHERE = (("subscriptionId", SUBSCRIPTION_ID, "ARM_SUBSCRIPTION_ID"), ("tenantId", TENANT_ID, "ARM_TENANT_ID"))
_ELSEWHERE = (
    "the provider is for '{}', this sandbox is '{}'; nothing was asked of either. Take it from {}, which the sandbox "
    "sets, where that is set"
)
_NO_CREDENTIALS = (
    "no credentials: ARM_CLIENT_ID, ARM_CLIENT_SECRET, ARM_TENANT_ID and ARM_SUBSCRIPTION_ID are needed; "
    'for the sandbox: eval "$(.venv/bin/python -m sandbox env)"'
)

# All that the published provider vouches for in a preview of an update; a program that needs more there shows
# replacements, or fails, on Azure.
_STABLE = ("name", "location")
_NONE_HELD = held.of_state(None)


class AzureNative:
    """The provider.

    Args:
        schema: property types.
        config: ``azure-native:`` configuration, of the stack or of an explicit provider.
        client: calls ARM; None works offline, which is enough for a preview without credentials.
        find_held: looks up what was deleted and still has its name.
    """

    def __init__(
        self, schema: Schema, config: Mapping[str, object], client: Client | None, find_held: held.Find = _NONE_HELD
    ) -> None:
        self._schema = schema
        self._config = config
        self._client = client
        self._find_held = find_held
        self._subscription = client.credential.subscription if client else str(
            config.get("subscriptionId") or SUBSCRIPTION_ID
        )  # fmt: skip
        self._locations: dict[str, str] = {}
        self._guard = threading.Lock()

    def check_config(self, config: Props) -> tuple[tuple[str, str], ...]:
        """The only subscription and tenant there are here are the sandbox's."""
        given = [(name, plain(config.get(name)), ours, variable) for name, ours, variable in _WHERE]
        return tuple(
            (name, _ELSEWHERE.format(value, ours, variable)) for name, value, ours, variable in given
            if value is not None and not has_unknown(value) and str(value).lower() != ours
        )  # fmt: skip

    def check(self, urn: str, old: Props | None, new: Props, naming: Naming) -> Checked:
        """Fill in name and location, then check against the package's types."""
        token = _type_of(urn)
        try:
            kind = self._schema.resource(token)
        except UnknownTypeError as error:
            return Checked(new, (("", str(error)),))
        inputs = {name: value for name, value in new.items() if value is not None and not name.startswith("__")}
        name = kind.name_input
        if name and inputs.get(name) is None:
            self._name(urn, name, old or {}, inputs, naming)
        elif old and old.get(rules.RANDOMLY_NAMED) and name and plain(old.get(name)) == plain(inputs.get(name)):
            inputs[rules.RANDOMLY_NAMED] = True
        if "location" in kind.inputs and inputs.get("location") is None:
            location = self._default_location(old or {}, inputs)
            if location is not None:
                inputs["location"] = location
        public = {key: value for key, value in inputs.items() if not key.startswith("__")}
        failures = [(failure.path, failure.reason) for failure in self._schema.check_inputs(token, public)]
        if name and inputs.get(name) is None:
            failures.append((name, f"{kind.token.rpartition(':')[2]} needs '{name}': pulumi:autonaming is disabled"))
        return Checked(inputs, tuple(failures))

    def diff(self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props) -> Diff:
        """Compare inputs; a new name, a new place and what Azure fixes at creation replace the resource."""
        kind = self._schema.resource(_type_of(urn))
        changes = compare(old, new, lambda path: rules.replaces(kind, path))
        before = old.get("location", outputs.get("location"))
        if "location" in changes and rules.same_location(plain(before), plain(new.get("location"))):
            del changes["location"]
        for path in (path for path, change in changes.items() if change.kind is Kind.ADD and change.replace):
            if plain(outputs.get(path)) == plain(new.get(path)) and not has_unknown(new.get(path)):
                changes[path] = Change(Kind.ADD)  # spelled out what was so already
        replaced = tuple(path for path, change in changes.items() if change.replace)
        if replaced and (why := held.kept_by_replacing(kind, old, new, plain(outputs.get("properties", outputs)))):
            raise ProviderError(f"{', '.join(replaced)}: {why}")
        return Diff(changes, bool(replaced) and not old.get(rules.RANDOMLY_NAMED))

    def claim(self, urn: str, inputs: Props) -> str:
        """The resource id; refused when something is there already, since PUT would overwrite it."""
        kind = self._schema.resource(_type_of(urn))
        path = self._path(urn, inputs)
        self._refuse_held(kind, inputs)
        if rules.singleton(kind):
            return path  # Azure makes it along with its parent: to create it is to set it
        if self._online(urn).get(path, kind.version) is not None:
            raise ProviderError(
                f"cannot create {path}: it exists already and is not this stack's; delete it, or give the resource "
                "another name", "AlreadyExists",
            )  # fmt: skip
        return path

    def create(self, urn: str, inputs: Props, *, preview: bool, timeout: float) -> Made:
        """PUT, wait, and read back."""
        if preview:
            self._refuse_held(self._schema.resource(_type_of(urn)), inputs)
            return Made("", self._previewed(urn, inputs))
        return self._put(urn, self._path(urn, inputs), inputs, timeout)

    def read(self, urn: str, resource_id: str, inputs: Props | None, outputs: Props) -> Made | None:
        """The resource with its drift carried into the inputs."""
        if self._client is None:
            raise OfflineError(_NO_CREDENTIALS)
        token = _type_of(urn)
        kind = self._schema.resource(token)
        body = self._online(urn).settled(resource_id, kind.version)
        if body is None:
            return None
        found = self._schema.from_arm(token, body)
        drifted = self._adopted(kind, resource_id, found) if inputs is None else _drifted(inputs, plain(outputs), found)
        return Made(str(body.get("id") or resource_id), found, drifted, _problems(body))

    def update(
        self, urn: str, resource_id: str, old: Props, outputs: Props, new: Props, *, preview: bool, timeout: float
    ) -> Made:
        """PUT the whole resource again."""
        if preview:
            stable = {name: outputs[name] for name in _STABLE if name in outputs}
            return Made(resource_id, {**self._previewed(urn, new), **stable})
        return self._put(urn, resource_id, new, timeout)

    def delete(self, urn: str, resource_id: str, inputs: Props, outputs: Props, *, timeout: float) -> None:
        """DELETE and wait."""
        kind = self._schema.resource(_type_of(urn))
        if not rules.singleton(kind):
            self._online(urn).delete(resource_id, kind.version, timeout)

    def invoke(self, function: str, args: Props) -> Props:
        """Functions; offline only who asks is known, the rest is not known yet."""
        if self._client is not None:
            return call(self._client, self._schema, function, args)
        if function == "azure-native:authorization:getClientConfig":
            return {
                "clientId": str(self._config.get("clientId") or CLIENT_ID), "objectId": OBJECT_ID,
                "subscriptionId": self._subscription, "tenantId": str(self._config.get("tenantId") or TENANT_ID),
            }  # fmt: skip
        return {"value": UNKNOWN}

    def close(self) -> None:
        """Let go of connections."""
        if self._client is not None:
            self._client.close()

    def _adopted(self, kind: ResourceType, resource_id: str, outputs: Props) -> Props:
        """Inputs that would have made a resource that is only known by its id."""
        inputs = {name: value for name, value in outputs.items() if name in kind.inputs and name not in kind.parameters}
        return {**inputs, **kind.names_in(resource_id)}

    def _put(self, urn: str, path: str, inputs: Props, timeout: float) -> Made:
        token = _type_of(urn)
        client = self._online(urn)
        request = self._schema.to_arm(token, inputs, self._subscription)
        try:
            body = client.put(path, request.api_version, request.body, timeout)
        except ProviderError as error:
            error.partial = None if error.uncertain else self._left_over(client, token, path, request.api_version)
            raise
        return Made(str(body.get("id") or path), self._schema.from_arm(token, body), None, _problems(body))

    def _left_over(self, client: Client, token: str, path: str, version: str) -> Made | None:
        """What a failed PUT left behind, so that the next run can repair or remove it."""
        try:
            body = client.get(path, version)
        except ProviderError:
            return None
        if body is None or not _problems(body):
            return None
        return Made(str(body.get("id") or path), self._schema.from_arm(token, body), None, _problems(body))

    def _refuse_held(self, kind: ResourceType, inputs: Props) -> None:
        name = plain(inputs.get(kind.name_input or ""))
        if isinstance(name, str) and not has_unknown(name) and (why := held.taken(kind, name, inputs, self._find_held)):
            raise ProviderError(why)

    def _previewed(self, urn: str, inputs: Props) -> Props:
        """Inputs are known, what Azure computes is not."""
        kind = self._schema.resource(_type_of(urn))
        shown = self._schema.foreseen(kind.token, inputs)
        if kind.token == _GROUP:  # all else asks for it by this name
            shown["name"] = inputs.get("resourceGroupName", UNKNOWN)
            with self._guard:
                self._locations[str(plain(shown["name"]))] = plain(inputs.get("location"))
        if "azureApiVersion" in shown:
            shown["azureApiVersion"] = kind.version
        return shown

    def _path(self, urn: str, inputs: Props) -> str:
        path = self._schema.path(_type_of(urn), inputs, self._subscription)
        if path is None:
            missing = [name for name in self._schema.resource(_type_of(urn)).parameters if not plain(inputs.get(name))]
            raise ProviderError(f"its id needs a value for: {', '.join(missing) or 'every name in it'}")
        return path

    def _online(self, urn: str) -> Client:
        if self._client is None:
            raise OfflineError(_NO_CREDENTIALS)
        return self._client

    def _name(self, urn: str, name: str, old: Props, inputs: Props, naming: Naming) -> None:
        if old.get(name) is not None:
            inputs[name] = old[name]
            if old.get(rules.RANDOMLY_NAMED):
                inputs[rules.RANDOMLY_NAMED] = True
        elif naming.mode == "verbatim":
            inputs[name] = urn.rpartition("::")[2]
        elif naming.mode == "proposed":
            inputs[name] = naming.proposed
            inputs[rules.RANDOMLY_NAMED] = True
        elif naming.mode == "default":
            kind = self._schema.resource(_type_of(urn))
            inputs[name], random = rules.new_name(kind, urn.rpartition("::")[2])
            if random:
                inputs[rules.RANDOMLY_NAMED] = True

    def _default_location(self, old: Props, inputs: Props) -> Json:
        """As it was, else as configured, else that of the resource group."""
        if old.get("location") is not None:
            return old["location"]
        if self._config.get("location"):
            return self._config["location"]
        group = plain(inputs.get("resourceGroupName"))
        if group is None:
            return None
        if has_unknown(group):
            return UNKNOWN
        with self._guard:
            if group not in self._locations and self._client is not None:
                path = f"/subscriptions/{self._subscription}/resourceGroups/{group}"
                found = self._client.get(path, _RESOURCE_GROUPS)
                if isinstance(found, Mapping) and isinstance(found.get("location"), str):
                    self._locations[group] = found["location"]
            return self._locations.get(group, None if self._client else UNKNOWN)


def _type_of(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _problems(body: Json) -> tuple[str, ...]:
    state = provisioning_state(body)
    return (f"its provisioning state is {state}",) if state.lower() in _FAILED else ()


def _drifted(inputs: Props, before: Props, now: Props) -> Props:
    """The inputs with what changed in the cloud since the outputs were last seen.

    Only properties that changed are taken over: what Azure fills in by itself is no drift.
    """
    if not before:
        return inputs
    result = dict(inputs)
    for name, value in inputs.items():
        if name in before and name in now:
            result[name] = _merged(value, before[name], now[name])
        elif name in before:
            del result[name]
    return result


def _merged(value: Json, before: Json, now: Json) -> Json:
    if before == now:
        return value
    clear = plain(value)
    if isinstance(clear, Mapping) and isinstance(before, Mapping) and isinstance(now, Mapping):
        merged = {}
        for key in clear:
            if key in now:
                merged[key] = _merged(clear[key], before.get(key), now[key])
            elif key not in before:
                merged[key] = clear[key]
        added = {key: item for key, item in now.items() if key not in before and key not in clear}
        return {**merged, **added}
    return now


def factory(
    schema: Schema, *, offline: bool, find_held: held.Find = _NONE_HELD
) -> Callable[[Mapping[str, object]], AzureNative]:
    """Makes providers from configurations; `offline` for a preview that must need no credentials."""

    def make(config: Mapping[str, object]) -> AzureNative:
        credential = None if offline else Credential.find(config)
        return AzureNative(schema, config, Client(credential) if credential else None, find_held)

    return make

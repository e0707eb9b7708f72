"""Functions of ``azure-native``: who asks, reading a resource, and actions such as listing keys."""

import base64
import json
import re
from collections.abc import Mapping

from sandbox.arm.schema import Schema
from sandbox.arm.tokens import PATHS
from sandbox.provider.base import ProviderError
from sandbox.provider.client import Client
from sandbox.values import Json, Props, plain, secret

# Function -> (resource type, action), where the name of one does not tell the other.
_ACTIONS = {
    "machinelearningservices:getOnlineEndpointToken": ("OnlineEndpoint", "token"),
    "operationalinsights:getSharedKeys": ("Workspace", "sharedKeys"),
    "storage:listStorageAccountSAS": ("StorageAccount", "ListAccountSas"),
    "storage:listStorageAccountServiceSAS": ("StorageAccount", "ListServiceSas"),
}


def call(client: Client, schema: Schema, function: str, args: Props) -> Props:
    """Answer a function.

    Raises:
        ProviderError: there is no such function, or ARM refused.
    """
    if function == "azure-native:authorization:getClientConfig":
        claims = _claims(client.token())
        return {
            "clientId": client.credential.client, "objectId": claims.get("oid", ""),
            "subscriptionId": client.credential.subscription, "tenantId": client.credential.tenant,
        }  # fmt: skip
    if function == "azure-native:authorization:getClientToken":
        return {"token": secret(client.token())}
    resource, action = _resolve(function)
    kind = schema.resource(resource)
    path = schema.path(resource, args, client.credential.subscription)
    if path is None:
        raise ProviderError(f"needs a value for each of: {', '.join(kind.parameters)}")
    if not action:
        body = client.get(path, kind.version)
        if body is None:
            raise ProviderError(f"{path} does not exist", "ResourceNotFound")
        return schema.from_arm(resource, body)
    sent = {name: value for name, value in plain(args).items() if name not in kind.parameters}
    answer = client.post(f"{path}/{action}", kind.version, sent or None)
    content: Mapping[str, Json] = answer if isinstance(answer, Mapping) else {"value": answer}
    # What an action hands out is what the resource itself does not show.
    return {name: secret(value) for name, value in content.items()}


def _resolve(full: str) -> tuple[str, str]:
    """The resource type and the action ('' to read) that a function's name means."""
    _, module, function = full.split(":")
    known = {each.split(":")[2] for each in PATHS if each.split(":")[1] == module}
    if found := _ACTIONS.get(f"{module}:{function}"):
        return f"azure-native:{module}:{found[0]}", found[1]
    if function.startswith("get") and function[3:] in known:
        return f"azure-native:{module}:{function[3:]}", ""
    if function.startswith("list"):
        # The longest type name that the function begins with; the rest is the action.
        for name in sorted(known, key=len, reverse=True):
            rest = re.match(f"list{name}(.+)", function)
            if rest:
                return f"azure-native:{module}:{name}", f"list{rest[1]}"
    raise ProviderError(f"{full}: not a function that the sandbox's provider has")


def _claims(token: str) -> dict[str, str]:
    """What a token says about its bearer; whoever issued it checks it."""
    payload = token.split(".")[1]
    content: dict[str, str] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return content

"""The provider as a plugin of the Pulumi CLI: ``pulumi-resource-azure-native ENGINE`` prints its port and serves.

Started by the CLI from a private PULUMI_HOME that :func:`install` prepares; it ends when the CLI says so or is gone.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.proto import provider_pb2 as pb

from sandbox.arm.schema import Schema
from sandbox.atomic import write_private
from sandbox.home import Home
from sandbox.provider.azure_native import factory
from sandbox.provider.base import Change, Kind, Made, Naming, Provider, ProviderError
from sandbox.provider.diffing import parse
from sandbox.provider.held import of_state
from sandbox.provider.wire import from_struct, to_struct
from sandbox.values import plain

VERSION = "3.29.0"
_THREADS = 64
_WATCH_SECONDS = 0.5
_KINDS = {
    (Kind.ADD, False): pb.PropertyDiff.ADD, (Kind.ADD, True): pb.PropertyDiff.ADD_REPLACE,
    (Kind.UPDATE, False): pb.PropertyDiff.UPDATE, (Kind.UPDATE, True): pb.PropertyDiff.UPDATE_REPLACE,
    (Kind.DELETE, False): pb.PropertyDiff.DELETE, (Kind.DELETE, True): pb.PropertyDiff.DELETE_REPLACE,
}  # fmt: skip


class Servicer(provider_pb2_grpc.ResourceProviderServicer):
    """Pulumi's provider protocol over one provider object.

    Args:
        make: makes the provider from the configuration that the CLI sends.
    """

    def __init__(self, make: Callable[[Mapping[str, object]], Provider]) -> None:
        self._make = make
        self._provider: Provider = make({})

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        """What this plugin can do. Secrets are the CLI's to keep: it marks outputs made from secret inputs."""
        return pb.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Its version is that of the package whose types it uses."""
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Programs in Python need none."""
        return pb.GetSchemaResponse(schema="{}")

    def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A provider for another subscription is refused."""
        wrong = self._provider.check_config(from_struct(request.news))
        failures = [pb.CheckFailure(property=path, reason=reason) for path, reason in wrong]
        return pb.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        """A changed configuration replaces nothing."""
        return pb.DiffResponse(changes=pb.DiffResponse.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The stack's, or an explicit provider's, configuration."""
        self._provider = self._make(plain(from_struct(request.args)))
        return pb.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Fill in and check inputs."""
        olds = from_struct(request.olds) or None
        checked = self._answer(
            context, lambda: self._provider.check(request.urn, olds, from_struct(request.news), _naming(request))
        )
        failures = [pb.CheckFailure(property=path, reason=reason) for path, reason in checked.failures]
        return pb.CheckResponse(inputs=to_struct(checked.inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Compare inputs."""
        old, outputs, new = (from_struct(each) for each in (request.old_inputs, request.olds, request.news))
        diff = self._answer(context, lambda: self._provider.diff(request.urn, request.id, old, outputs, new))
        changes: Mapping[str, Change] = diff.changes
        return pb.DiffResponse(
            changes=pb.DiffResponse.DIFF_SOME if changes else pb.DiffResponse.DIFF_NONE,
            diffs=sorted({str(parse(path)[0]) for path in changes}), replaces=list(diff.replaces),
            deleteBeforeReplace=diff.delete_before_replace, hasDetailedDiff=True,
            detailedDiff={
                path: pb.PropertyDiff(kind=_KINDS[change.kind, change.replace], inputDiff=True)
                for path, change in changes.items()
            },
        )  # fmt: skip

    def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Make a resource."""
        inputs = from_struct(request.properties)

        def create() -> Made:
            if not request.preview:
                self._provider.claim(request.urn, inputs)
            return self._provider.create(request.urn, inputs, preview=request.preview, timeout=request.timeout)

        made = self._answer(context, create, inputs)
        return pb.CreateResponse(id=made.id, properties=to_struct(made.outputs))

    def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        """The resource as it is; an empty id says that it is gone."""
        inputs = from_struct(request.inputs) if request.HasField("inputs") and request.inputs.fields else None
        outputs = from_struct(request.properties)
        made = self._answer(context, lambda: self._provider.read(request.urn, request.id, inputs, outputs))
        if made is None:
            return pb.ReadResponse()
        return pb.ReadResponse(id=made.id, properties=to_struct(made.outputs), inputs=to_struct(made.inputs or {}))

    def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Change a resource in place."""
        old, outputs, new = (from_struct(each) for each in (request.old_inputs, request.olds, request.news))
        made = self._answer(
            context,
            lambda: self._provider.update(
                request.urn, request.id, old, outputs, new, preview=request.preview, timeout=request.timeout
            ),
            new,
        )
        return pb.UpdateResponse(properties=to_struct(made.outputs))

    def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Remove a resource."""
        inputs, outputs = from_struct(request.old_inputs), from_struct(request.properties)
        self._answer(
            context, lambda: self._provider.delete(request.urn, request.id, inputs, outputs, timeout=request.timeout)
        )
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Call a function."""
        result = self._answer(context, lambda: self._provider.invoke(request.tok, from_struct(request.args)))
        response = pb.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Requests under way come to their own end."""
        return empty_pb2.Empty()

    def _answer(self, context: Any, call: Callable[[], Any], inputs: Mapping[str, Any] | None = None) -> Any:
        """The call's result; an error becomes a status, with what is left of the resource in it."""
        try:
            return call()
        except ProviderError as error:
            if error.partial is not None:
                _left_over(context, error, error.partial, inputs or {})
            context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _left_over(context: Any, error: ProviderError, made: Made, inputs: Mapping[str, Any]) -> None:
    """Tell the CLI that the resource exists, so that it keeps it in the state."""
    detail = any_pb2.Any()
    detail.Pack(
        pb.ErrorResourceInitFailed(
            id=made.id, properties=to_struct(made.outputs), inputs=to_struct(inputs), reasons=[error.message]
        )
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))


def _naming(request: Any) -> Naming:
    if not request.HasField("autonaming"):
        return Naming()
    if request.autonaming.mode == pb.CheckRequest.AutonamingOptions.DISABLE:
        return Naming("disabled")
    return Naming("proposed", request.autonaming.proposed_name)


def serve(home: Home) -> None:
    """Serve until interrupted, as the CLI does at its end, or until the process that started this one is gone."""
    parent = os.getppid()
    over = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: over.set())
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.max_receive_message_length", -1)])
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(
        Servicer(factory(Schema(home.cache), offline=False, find_held=of_state(home.database))), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while os.getppid() == parent and not over.wait(_WATCH_SECONDS):
        pass
    server.stop(0)


def install(home: Home) -> dict[str, str]:
    """Prepare a private home for the Pulumi CLI; returns the variables that make the CLI use it, and this provider."""
    root = home.root / "pulumi"
    folder = root / "plugins" / f"resource-azure-native-v{VERSION}"
    script = folder / "pulumi-resource-azure-native"
    repository = Path(__file__).resolve().parents[2]
    text = (
        f"#!/bin/sh\nexport PYTHONPATH='{repository}' SANDBOX_HOME='{home.root}'\n"
        f"exec '{sys.executable}' -m sandbox.provider.plugin \"$@\"\n"
    )
    write_private(script, text.encode())
    script.chmod(0o700)
    (root / "state").mkdir(mode=0o700, exist_ok=True)
    passphrase = Path(variables(home)["PULUMI_CONFIG_PASSPHRASE_FILE"])
    if not passphrase.exists():
        write_private(passphrase, os.urandom(24).hex().encode(), replace=False)
    return variables(home)


def variables(home: Home) -> dict[str, str]:
    """The variables that :func:`install` prepares for."""
    root = home.root / "pulumi"
    return {
        "PULUMI_HOME": str(root),
        "PULUMI_BACKEND_URL": f"file://{root / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(root / "passphrase"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }


if __name__ == "__main__":
    serve(Home.find())

"""The resource monitor that the Pulumi SDK talks to, in the same process.

The SDK calls these methods, named by its protocol, from its worker threads, one call a resource.
"""

import re
from collections.abc import Callable
from typing import Any

from google.protobuf import empty_pb2
from pulumi.runtime.proto import alias_pb2, engine_pb2, resource_pb2

from sandbox.engine import urns
from sandbox.engine.deployment import Answer, Deployment
from sandbox.engine.events import Diagnostic, Emit
from sandbox.engine.plan import Goal
from sandbox.engine.state import Resource
from sandbox.engine.urns import STACK, AliasSpec
from sandbox.provider.base import ProviderError
from sandbox.provider.wire import from_struct, to_struct
from sandbox.values import UNKNOWN, Props, has_unknown

_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class Monitor:
    """Turns the SDK's requests into goals of a deployment."""

    def __init__(self, deployment: Deployment, project: str, stack: str) -> None:
        self._deployment = deployment
        self._project = project
        self._stack = stack
        self.stack_urn = urns.make(stack, project, "", STACK, f"{project}-{stack}")

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """A resource is declared."""
        goal = self._goal(request)
        answer = self._refused(request, goal) or self._deployment.register(goal)
        return self._answered(answer, resource_pb2.RegisterResourceResponse)

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        """A resource that somebody else made is looked up by its id."""
        goal = self._goal(request)
        if request.id == UNKNOWN:
            answer = Answer(goal.urn, outputs=goal.inputs)
        else:
            answer = self._deployment.read(goal, request.id)
        return self._answered(answer, resource_pb2.ReadResourceResponse)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        """A component, or the stack, says what it exports."""
        self._deployment.register_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        """A function is called."""
        args = from_struct(request.args)
        response = resource_pb2.ResourceInvokeResponse()
        if request.tok == "pulumi:pulumi:getResource":
            found = self._deployment.journal.current.get(args["urn"])
            if found is None:
                raise RuntimeError(f"no resource {args['urn']}")
            getattr(response, "return").CopyFrom(to_struct({"urn": found.urn, "id": found.id, "state": found.outputs}))
            return response
        if has_unknown(args):
            response.unknown = True
            return response
        try:
            result = self._deployment.providers.find(request.tok, request.provider).invoke(request.tok, args)
        except ProviderError as error:
            raise RuntimeError(f"{request.tok}: {error}") from error
        if has_unknown(result):
            response.unknown = True
        else:
            getattr(response, "return").CopyFrom(to_struct(result))
        return response

    def GetDeploymentInfo(self, request: Any) -> Any:  # noqa: N802
        """What this monitor can do."""
        return resource_pb2.DeploymentInfo(
            project=self._project, stack=self._stack, dryRun=self._deployment.preview, supportedFeatures=_FEATURES
        )

    def SignalAndWaitForShutdown(self, request: Any) -> Any:  # noqa: N802
        """The program has declared everything."""
        return empty_pb2.Empty()

    def RegisterPackage(self, request: Any) -> Any:  # noqa: N802
        """A provider package made on the fly: the sandbox has none."""
        raise RuntimeError(
            f"package '{request.name}': the sandbox runs published providers only, not parameterized ones"
        )

    def RegisterStackTransform(self, request: Any) -> Any:  # noqa: N802
        """A function that rewrites every resource."""
        raise RuntimeError(
            "stack transforms: the sandbox does not run them; set the options where the resource is made"
        )

    def _goal(self, request: Any) -> Goal:
        parent = request.parent
        urn = urns.make(self._stack, self._project, parent, request.type, request.name)
        registers = isinstance(request, resource_pb2.RegisterResourceRequest)
        inputs = from_struct(request.object if registers else request.properties)
        custom = bool(request.custom) if registers else True
        resource = Resource(
            urn=urn, type=request.type, custom=custom, parent=parent, inputs=inputs, provider=request.provider,
            dependencies=tuple(sorted(request.dependencies)),
            additional_secret_outputs=tuple(sorted(request.additionalSecretOutputs)),
        )  # fmt: skip
        if not registers:
            return Goal(urn=urn, type=request.type, custom=True, inputs=inputs, resource=resource)
        return self._registered(request, urn, resource)

    def _registered(self, request: Any, urn: str, resource: Resource) -> Goal:
        specs = [_alias(alias) for alias in request.aliases] + list(request.aliasURNs)
        aliases = tuple(urns.former(urn, request.parent, specs, self._deployment.known_as))
        timeouts = {
            op: _seconds(getattr(request.customTimeouts, op)) for op in ("create", "update", "delete")
            if getattr(request.customTimeouts, op)
        }  # fmt: skip
        return Goal(
            urn=urn, type=resource.type, custom=resource.custom, inputs=resource.inputs, aliases=aliases,
            ignore_changes=tuple(request.ignoreChanges), replace_on_changes=tuple(request.replaceOnChanges),
            delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            timeouts=timeouts,
            resource=Resource(**{
                **vars(resource), "protect": request.protect, "deleted_with": request.deletedWith,
                "retain_on_delete": request.retainOnDelete,
                "property_dependencies": {
                    name: tuple(sorted(found.urns)) for name, found in sorted(request.propertyDependencies.items())
                },
            }),
        )  # fmt: skip

    def _refused(self, request: Any, goal: Goal) -> Answer | None:
        """What the engine cannot do is refused, not passed over."""
        refusals = (
            (request.importId, "import_: the sandbox does not import; a resource here was made here. Leave it out"),
            (request.remote, "a remote component: the sandbox runs components of this program only"),
            (request.replace_with, "replace_with: not in the sandbox; use replace_on_changes or depend on an output"),
        )
        for present, reason in refusals:
            if present:
                self._deployment.fail(reason, goal.urn)
                return Answer(goal.urn, failed=True)
        return None

    def _answered(self, answer: Answer, message: Callable[..., Any]) -> Any:
        if answer.failed:
            return message(urn=answer.urn, result=resource_pb2.Result.FAIL)
        return message(urn=answer.urn, id=answer.id, **_outputs(answer, message))


def _outputs(answer: Answer, message: Callable[..., Any]) -> dict[str, Any]:
    content: Props = answer.outputs or {}
    name = "object" if message is resource_pb2.RegisterResourceResponse else "properties"
    return {name: to_struct(content)}


def _alias(alias: alias_pb2.Alias) -> str | AliasSpec:
    if alias.WhichOneof("alias") == "urn":
        return str(alias.urn)
    spec = alias.spec
    # The SDK sends an empty parent for "the present one".
    parent = "" if spec.noParent else spec.parentUrn or None
    return AliasSpec(spec.name, spec.type, spec.stack, spec.project, parent)


def _seconds(text: str) -> float:
    """A Go duration such as ``1h30m`` in seconds."""
    parts = _DURATION.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"custom_timeouts: '{text}' is no duration; want for example 30m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


class Engine:
    """Receives what the program logs."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def Log(self, request: Any) -> Any:  # noqa: N802
        """``pulumi.log`` was called."""
        severities = {engine_pb2.INFO: "info", engine_pb2.WARNING: "warning", engine_pb2.ERROR: "error"}
        if request.severity in severities:
            self._emit(Diagnostic(severities[request.severity], request.message, request.urn))  # type: ignore[arg-type]
        return empty_pb2.Empty()

    def RequirePulumiVersion(self, request: Any) -> Any:  # noqa: N802
        """The program wants a certain CLI; here the SDK's own version decides."""
        return engine_pb2.RequirePulumiVersionResponse()

"""The plugin over gRPC, as the Pulumi CLI drives it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2 as pb
from pulumi.runtime.proto import provider_pb2_grpc, status_pb2

from sandbox.provider.base import Made, ProviderError
from sandbox.provider.plugin import Servicer, install
from sandbox.provider.wire import from_struct, to_struct
from sandbox.values import UNKNOWN, Props
from tests.sandbox.conftest import SUBSCRIPTION, Sandbox

GROUP = "urn:pulumi:dev::proj::azure-native:resources:ResourceGroup::logs"


class Plugin:
    """The plugin as a process, and calls to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        variables = install(sandbox.home)
        (script,) = Path(variables["PULUMI_HOME"]).rglob("pulumi-resource-azure-native")
        self.process = subprocess.Popen(
            [script, "127.0.0.1:1"], stdout=subprocess.PIPE, text=True, env={**os.environ, **sandbox.environment},
            cwd="/",
        )  # fmt: skip
        assert self.process.stdout is not None
        self.channel = grpc.insecure_channel(f"127.0.0.1:{int(self.process.stdout.readline())}")
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self.channel)

    def close(self) -> None:
        self.channel.close()
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def check(self, news: Props, olds: Props | None = None, **more: Any) -> Any:
        return self.stub.Check(pb.CheckRequest(urn=GROUP, news=to_struct(news), olds=to_struct(olds or {}), **more))

    def create(self, inputs: Props, **more: Any) -> Any:
        return self.stub.Create(pb.CreateRequest(urn=GROUP, properties=to_struct(inputs), **more))


@pytest.fixture(scope="module")
def plugin(sandbox: Sandbox) -> Iterator[Plugin]:
    plugin = Plugin(sandbox)
    plugin.stub.Configure(pb.ConfigureRequest(args=to_struct({"location": "northeurope"})))
    yield plugin
    plugin.close()


def test_it_says_what_it_is(plugin: Plugin) -> None:
    assert plugin.stub.GetPluginInfo(empty_pb2.Empty()).version == "3.29.0"
    assert plugin.stub.Handshake(pb.ProviderHandshakeRequest()).supports_autonaming_configuration


def test_a_resource_lives_through_every_call(plugin: Plugin, sandbox: Sandbox) -> None:
    checked = plugin.check({"tags": {"a": "1"}})
    assert not checked.failures
    inputs = from_struct(checked.inputs)
    assert inputs["location"] == "northeurope"
    assert inputs["resourceGroupName"].startswith("logs")

    assert from_struct(plugin.create(inputs, preview=True).properties)["type"] == UNKNOWN
    made = plugin.create(inputs)
    assert made.id == f"{SUBSCRIPTION}/resourceGroups/{inputs['resourceGroupName']}"
    assert sandbox.call("GET", made.id).body["tags"] == {"a": "1"}

    news = {**inputs, "tags": {"a": "2", "b": "1"}}
    request = {
        "urn": GROUP,
        "id": made.id,
        "olds": made.properties,
        "old_inputs": checked.inputs,
        "news": to_struct(news),
    }
    diff = plugin.stub.Diff(pb.DiffRequest(**request))
    assert (diff.changes, list(diff.diffs)) == (pb.DiffResponse.DIFF_SOME, ["tags"])
    assert {path: change.kind for path, change in diff.detailedDiff.items()} == {
        "tags.a": pb.PropertyDiff.UPDATE, "tags.b": pb.PropertyDiff.ADD
    }  # fmt: skip
    updated = plugin.stub.Update(pb.UpdateRequest(**request))
    assert from_struct(updated.properties)["tags"] == {"a": "2", "b": "1"}

    read = plugin.stub.Read(
        pb.ReadRequest(urn=GROUP, id=made.id, inputs=to_struct(news), properties=updated.properties)
    )
    assert (read.id, from_struct(read.inputs)) == (made.id, news)
    plugin.stub.Delete(
        pb.DeleteRequest(urn=GROUP, id=made.id, properties=updated.properties, old_inputs=to_struct(news))
    )
    assert plugin.stub.Read(pb.ReadRequest(urn=GROUP, id=made.id, inputs=to_struct(news))).id == ""


def test_a_replacement_is_told_with_its_property(plugin: Plugin) -> None:
    old = to_struct({"resourceGroupName": "a", "location": "x"})
    new = to_struct({"resourceGroupName": "b", "location": "x"})
    diff = plugin.stub.Diff(pb.DiffRequest(urn=GROUP, id="/i", olds=old, old_inputs=old, news=new))
    assert list(diff.replaces) == ["resourceGroupName"]
    assert diff.deleteBeforeReplace


def test_failures_carry_property_and_reason(plugin: Plugin) -> None:
    (failure,) = plugin.check({"resourceGroupName": "x", "tag": {}}).failures
    assert failure.property == "tag"
    assert "did you mean 'tags'?" in failure.reason


def test_the_cli_may_propose_or_disable_names(plugin: Plugin) -> None:
    options = pb.CheckRequest.AutonamingOptions
    proposed = plugin.check({}, autonaming=options(proposed_name="logs-1", mode=options.PROPOSE))
    assert from_struct(proposed.inputs)["resourceGroupName"] == "logs-1"
    assert plugin.check({}, autonaming=options(mode=options.DISABLE)).failures


def test_an_error_is_a_status_with_arms_message(plugin: Plugin, sandbox: Sandbox) -> None:
    sandbox.group("taken")
    with pytest.raises(grpc.RpcError) as caught:
        plugin.create({"resourceGroupName": "taken", "location": "x"})
    assert "exists already" in str(caught.value.details())


def test_what_a_failed_creation_left_is_told_so_that_the_cli_keeps_it() -> None:
    class Context:
        trailing: tuple[Any, ...] = ()

        def set_trailing_metadata(self, metadata: tuple[Any, ...]) -> None:
            self.trailing = metadata

        def abort(self, code: grpc.StatusCode, details: str) -> None:
            raise RuntimeError(details)

    def broken() -> None:
        raise ProviderError("no runtime", "UserError", Made("/the/id", {"state": "Failed"}))

    context = Context()
    with pytest.raises(RuntimeError, match="UserError: no runtime"):
        Servicer(lambda _: None)._answer(context, broken, {"x": 1})  # type: ignore[arg-type, return-value]
    status = status_pb2.Status.FromString(context.trailing[0][1])
    detail = pb.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    assert (detail.id, from_struct(detail.properties), list(detail.reasons)) == (
        "/the/id",
        {"state": "Failed"},
        ["no runtime"],
    )


def test_functions_answer(plugin: Plugin) -> None:
    response = plugin.stub.Invoke(pb.InvokeRequest(tok="azure-native:authorization:getClientConfig"))
    assert from_struct(getattr(response, "return"))["subscriptionId"] in SUBSCRIPTION


def test_it_ends_in_silence_when_the_cli_says_so(sandbox: Sandbox) -> None:
    """The CLI interrupts its plugins, and shows what they say then as messages of its own."""
    variables = install(sandbox.home)
    (script,) = Path(variables["PULUMI_HOME"]).rglob("pulumi-resource-azure-native")
    process = subprocess.Popen(
        [script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **sandbox.environment}
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")


def test_it_ends_with_the_process_that_started_it(sandbox: Sandbox) -> None:
    variables = install(sandbox.home)
    (script,) = Path(variables["PULUMI_HOME"]).rglob("pulumi-resource-azure-native")
    shell = subprocess.Popen(
        ["sh", "-c", f"'{script}' & echo $!; wait"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, **sandbox.environment},
    )  # fmt: skip
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    assert int(shell.stdout.readline()) > 0
    shell.kill()
    shell.wait()
    shell.stdout.close()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the plugin outlived its parent"
        time.sleep(0.05)

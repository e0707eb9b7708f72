"""A preview is what `up` would do, with a gateway that runs and without one; neither writes a stack's file."""

import json

import pytest

from tests.robustness.conftest import Forks, Place

LIVE = """
import os
pulumi.export("live", os.environ["MLOPS_LIVE"])
pulumi.export("where", os.environ["ARM_SUBSCRIPTION_ID"] + " " + os.environ["ARM_TENANT_ID"])
"""
LOOKED_UP = """
found = pulumi.CustomResource(
    "azure-native:resources:ResourceGroup", "found", {"location": None},
    pulumi.ResourceOptions(id=top.id.apply(str), depends_on=[top]),
)
"""


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_after_an_up_nothing_is_left_to_do(place: Place, forks: Forks, *, running: bool) -> None:
    program = place.folder / "__main__.py"
    program.write_text(program.read_text(encoding="utf-8") + LIVE + LOOKED_UP, encoding="utf-8")
    files = {path: path.read_bytes() for path in place.folder.glob("Pulumi*.yaml")}
    up = forks.run(place, "up", "--json")
    assert up.code == 0, up.said
    assert up.envelope["result"]["outputs"]["live"] == str(place.home.root / "live")
    if not running:
        place.close()
    mark = place.last_write()
    before = forks.run(place, "preview", "--json")
    assert before.code == 0, before.said
    assert set(before.envelope["result"]["changes"]) == {"same", "read"}
    assert before.envelope["result"]["outputs"] == up.envelope["result"]["outputs"]
    assert place.last_write() == mark
    assert {path: path.read_bytes() for path in place.folder.glob("Pulumi*.yaml")} == files


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_change_shows_what_the_up_then_does(place: Place, forks: Forks, *, running: bool) -> None:
    assert forks.run(place, "up").code == 0
    place.configure("dev", owner="you@example.com", container="other")
    if not running:
        place.close()
    before = forks.run(place, "preview", "--json").envelope["result"]["changes"]
    done = forks.run(place, "up", "--json")
    assert done.code == 0, done.said
    assert before == done.envelope["result"]["changes"] == {"same": 2, "update": 6, "replace": 1}


def test_the_folder_of_what_is_live_is_the_users_to_name(place: Place) -> None:
    program = place.folder / "__main__.py"
    program.write_text(program.read_text(encoding="utf-8") + LIVE, encoding="utf-8")
    done = place.run("preview", "--json", MLOPS_LIVE="/elsewhere", ARM_SUBSCRIPTION_ID="somebody-elses")
    outputs = json.loads(done.out)["result"]["outputs"]
    assert outputs["live"] == "/elsewhere"
    assert outputs["where"] == "5a9dbe11-0000-4000-8000-00000000b001 5a9dbe11-0000-4000-8000-00000000a001"


def test_ids_of_another_cloud_are_said_to_be_unused(place: Place) -> None:
    done = place.run("preview", ARM_SUBSCRIPTION_ID="somebody-elses", AZURE_TENANT_ID=OURS_TENANT.upper())
    assert "  info: ARM_SUBSCRIPTION_ID: not used; in the sandbox its own ids take their place" in done.out
    assert "not used" not in place.run("preview").out


def test_a_refusal_counts_nothing(place: Place, forks: Forks) -> None:
    """Nothing was looked at: `0 changes` would say that all is as declared."""
    program = place.folder / "__main__.py"
    program.write_text("import pulumi\nraise pulumi.RunError('owner: want a mail')\n", encoding="utf-8")
    for verb in ("preview", "up"):
        done = forks.run(place, verb)
        assert done.code == 2
        assert "unchanged" not in done.out


PARTS = """
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Makes(ResourceProvider):
    def create(self, props):
        return CreateResult("made", props)


class Fixed(Resource):
    pass


for kind in ("Code", "Pipeline"):
    whole = pulumi.ComponentResource(f"my:x:{kind}", kind.lower())
    Fixed(Makes(), "training-version", {"kind": kind}, pulumi.ResourceOptions(parent=whole))
"""


def test_parts_that_are_made_alike_are_told_apart(place: Place, forks: Forks) -> None:
    (place.folder / "__main__.py").write_text(PARTS, encoding="utf-8")
    rows = [line.split()[1] for line in forks.run(place, "preview").out.splitlines() if "training-version" in line]
    assert sorted(rows) == ["dynamic:Resource(Code)", "dynamic:Resource(Pipeline)"]


PROVIDER = """
class Azure(pulumi.ProviderResource):
    pass


class Box(pulumi.ComponentResource):
    def __init__(self, name, opts):
        super().__init__("my:x:Box", name, None, opts)
        pulumi.CustomResource(
            "azure-native:resources:ResourceGroup", name, {"resourceGroupName": name, "location": "westeurope"},
            pulumi.ResourceOptions(parent=self),
        )


azure = Azure("azure-native", "azure", {"subscriptionId": "SUBSCRIPTION", "tenantId": pulumi.Output.from_input(
    "5a9dbe11-0000-4000-8000-00000000a001")})
Box("one", pulumi.ResourceOptions(providers=[azure]))
Box("two", pulumi.ResourceOptions(provider=azure))
"""
OURS, OURS_TENANT = "5a9dbe11-0000-4000-8000-00000000b001", "5a9dbe11-0000-4000-8000-00000000a001"


def test_an_explicit_provider_is_inherited_by_what_is_inside(place: Place, forks: Forks) -> None:
    program = "import pulumi\n" + PROVIDER.replace("SUBSCRIPTION", OURS)
    (place.folder / "__main__.py").write_text(program, encoding="utf-8")
    before = forks.run(place, "preview", "--json").envelope["result"]["changes"]
    done = forks.run(place, "up", "--json")
    assert done.code == 0, done.said
    assert before == done.envelope["result"]["changes"] == {"create": 6}
    rows = place.query("SELECT body FROM engine_resources WHERE urn LIKE '%resources:ResourceGroup%'")
    assert {json.loads(row["body"])["provider"].split("::")[3] for row in rows} == {"azure"}
    assert set(forks.run(place, "preview", "--json").envelope["result"]["changes"]) == {"same"}
    listed = place.folder / "declared.json"
    assert forks.run(place, "preview", "--json", str(listed)).code == 0
    assert {row["type"] for row in json.loads(listed.read_text())} == {"azure-native:resources:ResourceGroup"}
    assert forks.run(place, "destroy", "--yes").code == 0


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_a_provider_of_another_subscription_is_refused_before_anything_is_asked(
    place: Place, forks: Forks, verb: str
) -> None:
    other = "11111111-2222-4333-8444-555555555555"
    (place.folder / "__main__.py").write_text("import pulumi\n" + PROVIDER.replace("SUBSCRIPTION", other))
    done = forks.run(place, verb)
    assert done.code == 2, done.said
    assert f"subscriptionId: the provider is for '{other}', this sandbox is '{OURS}'" in done.err
    assert "nothing was made or changed" in done.out
    if verb == "up":
        assert place.writes() == []


VAULT = """
import pulumi

group = pulumi.CustomResource(
    "azure-native:resources:ResourceGroup", "group", {"resourceGroupName": "rg-kept", "location": "westeurope"}
)
inside = {"resourceGroupName": "rg-kept", "location": "westeurope"}
after = pulumi.ResourceOptions(depends_on=[group])
pulumi.CustomResource(
    "azure-native:managedidentity:UserAssignedIdentity", "first", {"resourceName": "first", **inside}, after
)
pulumi.CustomResource("azure-native:keyvault:Vault", "vault", {
    "vaultName": "kv-kept", **inside, "properties": {
        "tenantId": "5a9dbe11-0000-4000-8000-00000000a001", "sku": {"family": "A", "name": "standard"},
        "accessPolicies": [],
    },
}, after)
"""


def test_a_name_that_is_kept_is_refused_before_anything_is_made_and_can_be_freed(place: Place, forks: Forks) -> None:
    (place.folder / "__main__.py").write_text(VAULT, encoding="utf-8")
    assert forks.run(place, "up").code == 0
    assert forks.run(place, "destroy", "--yes").code == 0
    mark = place.last_write()
    for verb in ("preview", "up"):
        done = forks.run(place, verb)
        assert done.code == 1, done.said
        assert done.err.count("the name 'kv-kept' is taken until ") == 1
        assert "az keyvault recover --name kv-kept" in done.err
    assert place.last_write() == mark
    assert forks.run(place, "purge", "--deleted").code == 2
    freed = place.run("purge", "--deleted", "--yes")
    assert freed.code == 0, freed.said
    assert forks.run(place, "up").code == 0

"""Microsoft's MLClient against the sandbox: workspace, compute, datastores and every kind of asset."""

from pathlib import Path

import pytest
from azure.ai.ml import Input, MLClient
from azure.ai.ml.entities import (
    AmlCompute,
    AzureBlobDatastore,
    BuildContext,
    CommandComponent,
    ComputeInstance,
    Data,
    Environment,
    Model,
    Workspace,
)
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.sandbox.world import World

CURATED = "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu"


def test_a_workspace_is_read_created_changed_and_deleted(ml: MLClient) -> None:
    first = ml.workspaces.get("world")
    made = ml.workspaces.begin_create(
        Workspace(
            name="from-client", location="westeurope", tags={"a": "b"},
            storage_account=first.storage_account, key_vault=first.key_vault,
        )
    ).result()  # fmt: skip
    assert (made.name, made.location, made.tags["a"]) == ("from-client", "westeurope", "b")
    assert {each.name for each in ml.workspaces.list()} >= {"world", "from-client"}
    made.display_name = "Shown"
    assert ml.workspaces.begin_update(made).result().display_name == "Shown"
    assert ml.workspaces.begin_diagnose("from-client").result().storage_account_results == []
    assert ml.workspaces.get_keys("from-client").user_storage_key
    ml.workspaces.begin_sync_keys("from-client").result()
    ml.workspaces.begin_delete("from-client", delete_dependent_resources=False, permanently_delete=True).result()
    with pytest.raises(ResourceNotFoundError):
        ml.workspaces.get("from-client")


def test_a_workspace_brings_what_belongs_to_it_when_nothing_is_given(ml: MLClient) -> None:
    made = ml.workspaces.begin_create(Workspace(name="alone", location="westeurope")).result()
    assert made.storage_account.split("/")[-2] == "storageAccounts"
    assert made.application_insights.split("/")[-2] == "components"
    with pytest.raises(ResourceNotFoundError):
        ml.workspaces.get("alone-not")


def test_datastores(ml: MLClient) -> None:
    assert ml.datastores.get_default().name == "workspaceblobstore"
    made = ml.datastores.create_or_update(
        AzureBlobDatastore(name="landing", account_name="worldstore", container_name="azureml")
    )
    assert (made.name, made.container_name) == ("landing", "azureml")
    assert "landing" in [each.name for each in ml.datastores.list()]
    ml.datastores.delete("landing")
    with pytest.raises(ResourceNotFoundError):
        ml.datastores.get("landing")


def test_compute(ml: MLClient) -> None:
    cluster = AmlCompute(name="scaled", size="Standard_D4ds_v5", min_instances=0, max_instances=2)
    assert ml.compute.begin_create_or_update(cluster).result().provisioning_state == "Succeeded"
    cluster = ml.compute.get("scaled")
    cluster.max_instances = 5
    assert ml.compute.begin_update(cluster).result().max_instances == 5
    ml.compute.begin_create_or_update(ComputeInstance(name="person", size="Standard_D4ds_v5")).result()
    ml.compute.begin_stop("person").result()
    assert ml.compute.get("person").state == "Stopped"
    ml.compute.begin_start("person").result()
    assert ml.compute.get("person").state == "Running"
    assert {each.name for each in ml.compute.list()} == {"cpu", "scaled", "person"}
    assert "Standard_D4ds_v5" in [each.name for each in ml.compute.list_sizes()]
    ml.compute.begin_delete("person").result()
    with pytest.raises(ResourceNotFoundError):
        ml.compute.get("person")


def test_data_is_uploaded_labelled_archived_and_immutable(ml: MLClient, world: World, folder: Path) -> None:
    made = ml.data.create_or_update(Data(name="given", version="1", path=str(folder), type="uri_folder"))
    path = made.path.split("/paths/")[1]
    assert (world.read(f"{path}a.txt"), world.read(f"{path}deep/b.txt")) == ("one", "two")
    again = ml.data.create_or_update(Data(name="given", version="1", path=str(folder), type="uri_folder"))
    assert again.path == made.path
    (folder / "a.txt").write_text("changed")
    with pytest.raises(Exception, match=r"Asset paths cannot be updated|different path|already registered"):
        ml.data.create_or_update(Data(name="given", version="1", path=str(folder), type="uri_folder"))
    ml.data.create_or_update(Data(name="given", version="two", path=str(folder), type="uri_folder"))
    assert ml.data.get("given", label="latest").version == "two"
    ml.data.archive("given", version="two")
    assert [each.version for each in ml.data.list("given")] == ["1"]
    ml.data.restore("given", version="two")
    assert [each.version for each in ml.data.list("given")] == ["two", "1"]
    assert "given" in [each.name for each in ml.data.list()]


def test_environments_are_counted_and_curated_ones_are_there(ml: MLClient, folder: Path) -> None:
    conda = {"name": "env", "dependencies": ["python=3.11", {"pip": ["numpy==2.0.0"]}]}
    for expected in ("1", "1", "2"):
        image = "mcr.microsoft.com/a" if expected == "1" else "mcr.microsoft.com/b"
        made = ml.environments.create_or_update(Environment(name="counted", image=image, conda_file=conda))
        assert made.version == expected, "the same content is the same version"
    assert ml.environments.get("counted", label="latest").conda_file == conda
    (folder / "Dockerfile").write_text("FROM x")
    built = ml.environments.create_or_update(
        Environment(name="built", version="1", build=BuildContext(path=str(folder)))
    )
    assert built.build.path.startswith("https://worldstore.blob.core.windows.net/azureml-blobstore-")
    assert ml.environments.get(CURATED, version="33").image
    with pytest.raises(ResourceExistsError):
        ml.environments.create_or_update(Environment(name="counted", version="1", image="other"))


def test_a_component_brings_its_code_once_and_is_downloaded(ml: MLClient, folder: Path, tmp_path: Path) -> None:
    def component(name: str) -> CommandComponent:
        return CommandComponent(
            name=name, version="1", command="cat a.txt ${{inputs.x}}", code=str(folder),
            inputs={"x": Input(type="string")}, environment=f"{CURATED}:33",
        )  # fmt: skip

    first = ml.components.create_or_update(component("one"))
    second = ml.components.create_or_update(component("two"))
    assert first.code == second.code
    assert first.environment.endswith(f"/environments/{CURATED}/versions/33")
    ml.components.download("one", version="1", download_path=tmp_path / "down")
    down = {path.relative_to(tmp_path / "down").as_posix(): path for path in (tmp_path / "down").rglob("*.txt")}
    assert {name.split("/", 1)[1]: path.read_text() for name, path in down.items()} == {
        "a.txt": "one",
        "deep/b.txt": "two",
    }
    assert ml.components.get("one").id.endswith("/components/one/labels/default")
    with pytest.raises(HttpResponseError, match=r"componentSpec\.command"):
        ml.components.create_or_update(
            CommandComponent(name="one", version="1", command="other", environment=f"{CURATED}:33")
        )


def test_a_model_is_uploaded_and_downloaded(ml: MLClient, folder: Path, tmp_path: Path) -> None:
    made = ml.models.create_or_update(Model(name="weights", path=str(folder), tags={"auc": "0.7"}))
    assert (made.version, made.tags["auc"]) == ("1", "0.7")
    ml.models.download("weights", version="1", download_path=str(tmp_path / "down"))
    assert (tmp_path / "down" / "weights" / "given" / "deep" / "b.txt").read_text() == "two"
    changed = ml.models.get("weights", version="1")
    changed.tags["stage"] = "champion"
    assert ml.models.create_or_update(changed).tags["stage"] == "champion"
    assert [each.version for each in ml.models.list("weights")] == ["1"]
    with pytest.raises(ResourceNotFoundError):
        ml.models.get("weights", version="9")


def test_a_registry_holds_assets_that_every_workspace_uses(ml: MLClient, registry: MLClient, folder: Path) -> None:
    environment = registry.environments.create_or_update(Environment(name="e", version="1", image="i"))
    assert environment.id == "azureml://registries/shared/environments/e/versions/1"
    model = registry.models.create_or_update(Model(name="m", version="1", path=str(folder)))
    assert model.id == "azureml://registries/shared/models/m/versions/1"
    assert [each.version for each in registry.models.list("m")] == ["1"]
    used = ml.components.create_or_update(
        CommandComponent(name="uses", version="1", command="true", environment=environment.id)
    )
    assert used.environment == environment.id
    assert "shared" in [each.name for each in ml.registries.list()]

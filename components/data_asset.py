"""Data asset: a local folder as one immutable version that jobs name.

Not here: how the folder is made. Versions that runs register belong to the runs.
"""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_azure_native import machinelearningservices as ml

import naming
from components.blob_folder import BlobFolder
from components.place import UploadTarget, WorkspacePlace


@dataclass(frozen=True, kw_only=True)
class DataAssetArgs:
    """Inputs of the data asset.

    Attributes:
        data_name: asset name.
        folder: local folder, relative to the project; its content is the version.
        description: what a reader of the studio should know.
        target: container the folder is uploaded to.
        data_store_uri: address of the datastore over that container, ends with a slash.

    Raises:
        ValueError: the folder is empty; names it.
    """

    place: WorkspacePlace
    target: UploadTarget
    data_store_uri: pulumi.Input[str]
    data_name: str
    folder: str
    description: str


class DataAsset(pulumi.ComponentResource):
    """Creates one ``data/versions`` of type uri_folder, and the blobs it points at.

    Outputs: ``data_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: DataAssetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:DataAsset", name, None, opts)
        content = naming.content(Path(args.folder))
        folder = BlobFolder(
            f"{name}-blobs",
            target=args.target,
            prefix=f"{args.data_name}/{content.version}",
            folder=args.folder,
            content=content,
            # Models were trained on these bytes: the stack forgets an old snapshot, the account keeps it,
            # and declaring it again finds it there.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        version = ml.DataVersion(
            f"{name}-version",
            name=args.data_name,
            version=content.version,
            workspace_name=args.place.workspace_name,
            resource_group_name=args.place.resource_group_name,
            properties=ml.UriFolderDataVersionArgs(
                data_type="uri_folder",
                data_uri=pulumi.Output.concat(args.data_store_uri, folder.prefix, "/"),
                description=args.description,
                tags=args.place.tags,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.data_id: pulumi.Output[str] = version.id
        self.reference: str = f"{args.data_name}:{content.version}"
        self.register_outputs({"data_id": self.data_id, "reference": self.reference})

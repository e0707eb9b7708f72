"""Data asset: a local folder as one immutable version that jobs name.

Not here: how the folder is made. Versions that runs register belong to the runs.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.output import UNKNOWN

import naming
from components.asset_version import AssetVersion
from components.blob_folder import BlobFolder
from components.place import WorkspaceRef
from naming import Content


@dataclass(frozen=True, kw_only=True)
class DataAssetArgs:
    """Inputs of the data asset.

    Attributes:
        data_name: asset name.
        folder: local folder, relative to the project; its content is the version. A preview can do without it: the
            version is then unknown.
        description: what a reader of the studio should know.

    Raises:
        ValueError: the folder is empty, and this is no preview; names it.
    """

    workspace: WorkspaceRef
    data_name: str
    folder: str
    description: str


class DataAsset(pulumi.ComponentResource):
    """Creates one ``data/versions`` of type uri_folder, and the blobs it points at.

    Outputs: ``data_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: DataAssetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:DataAsset", name, None, opts)
        content = _content(Path(args.folder))
        folder = BlobFolder(
            f"{name}-blobs",
            target=args.workspace.data,
            asset=args.data_name,
            folder=args.folder,
            content=content,
            opts=pulumi.ResourceOptions(parent=self),
        )
        version = content.apply(lambda known: known.version)
        asset = AssetVersion(
            f"{name}-version",
            workspace_id=args.workspace.workspace_id,
            kind="data",
            name=args.data_name,
            version=version,
            properties={
                "dataType": "uri_folder",
                "dataUri": pulumi.Output.concat(args.workspace.data_store_uri, folder.prefix, "/"),
                "description": args.description,
                "tags": args.workspace.tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.data_id: pulumi.Output[str] = asset.id
        self.reference: pulumi.Output[str] = pulumi.Output.concat(args.data_name, ":", version)
        self.register_outputs({"data_id": self.data_id, "reference": self.reference})


def _content(folder: Path) -> pulumi.Output[Content]:
    if pulumi.runtime.is_dry_run() and not any(path.is_file() for path in folder.rglob("*")):
        unknown: Any = UNKNOWN
        return pulumi.Output.from_input(unknown)
    # Data can be large, and every preview looks at it: what did not change since the last time is not read again.
    return pulumi.Output.from_input(naming.content(folder, cache=folder.parent / f".{folder.name}.sha256"))

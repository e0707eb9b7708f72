"""Code asset: files of this repository as one immutable version that jobs and deployments run.

Not here: a code container. Azure ML cannot read one back, so it is neither declared nor needed.
"""

from dataclasses import dataclass
from pathlib import Path

import pulumi

import naming
from components.asset_version import AssetVersion
from components.blob_folder import BlobFolder
from components.place import WorkspaceRef


@dataclass(frozen=True, kw_only=True)
class CodeAssetArgs:
    """Inputs of the code asset.

    Attributes:
        code_name: asset name.
        root: folder that becomes the working directory, relative to the project.
        include: glob patterns below the root; their content is the version.

    Raises:
        ValueError: a pattern matches no file; names it.
    """

    workspace: WorkspaceRef
    code_name: str
    include: tuple[str, ...]
    root: str = "."


class CodeAsset(pulumi.ComponentResource):
    """Creates one ``codes/versions``, and the blobs it points at.

    Outputs: ``code_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: CodeAssetArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:CodeAsset", name, None, opts)
        content = naming.content(Path(args.root), args.include)
        folder = BlobFolder(
            f"{name}-blobs",
            target=args.workspace.code,
            asset=args.code_name,
            folder=args.root,
            content=content,
            opts=pulumi.ResourceOptions(parent=self),
        )
        code = AssetVersion(
            f"{name}-version",
            workspace_id=args.workspace.workspace_id,
            kind="codes",
            name=args.code_name,
            version=content.version,
            properties={
                "codeUri": folder.url,
                "description": f"Files {', '.join(args.include)}",
                "tags": args.workspace.tags,
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.code_id: pulumi.Output[str] = code.id
        self.reference: str = f"{args.code_name}:{content.version}"
        self.register_outputs({"code_id": self.code_id, "reference": self.reference})

"""Environment asset: exact Python packages on an image pinned by digest, as one immutable version.

Not here: building the image. Azure ML does that when a job or a deployment first needs it.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pulumi

import naming
from components.asset_version import AssetVersion
from components.place import WorkspaceRef


@dataclass(frozen=True, kw_only=True)
class EnvironmentArgs:
    """Inputs of the environment.

    Attributes:
        environment_name: asset name.
        conda_file: file with exact pins, relative to the project.
        image: base image as ``NAME@sha256:DIGEST``; a tag would let the same version become other bytes.

    Raises:
        ValueError: the image is not pinned, or the file is missing; names the field and the value.
    """

    workspace: WorkspaceRef
    environment_name: str
    conda_file: str
    image: str

    def __post_init__(self) -> None:
        if not re.search(r"@sha256:[0-9a-f]{64}$", self.image):
            raise ValueError(f"image={self.image!r}: want NAME@sha256:DIGEST, a tag can move")
        if not Path(self.conda_file).is_file():
            raise ValueError(f"conda_file={self.conda_file!r}: want an existing file")


class Environment(pulumi.ComponentResource):
    """Creates one ``environments/versions``.

    Outputs: ``environment_id`` (ARM id), ``reference`` (``name:version``).
    """

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("mlops:azure:Environment", name, None, opts)
        conda = Path(args.conda_file).read_text(encoding="utf-8")
        version = naming.content_version(conda, args.image)
        environment = AssetVersion(
            f"{name}-version",
            workspace_id=args.workspace.workspace_id,
            kind="environments",
            name=args.environment_name,
            version=version,
            properties={"image": args.image, "condaFile": conda, "osType": "Linux", "tags": args.workspace.tags},
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.environment_id: pulumi.Output[str] = environment.id
        self.reference: str = f"{args.environment_name}:{version}"
        self.register_outputs({"environment_id": self.environment_id, "reference": self.reference})

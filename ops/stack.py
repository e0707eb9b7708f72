"""What the stack made, read from the JSON file of its outputs."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.command import UsageError

_WORKSPACE_ID = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The outputs that releases need; each attribute is one output of ``__main__.py``.

    Attributes:
        subscription_id: from ``workspaceId``, as the two below.
        resource_group: where the workspace is.
        workspace: its name.
        compute: cluster that runs train on.
        pipeline: ``NAME:VERSION`` of the pipeline component.
        data: ``NAME:VERSION`` of the data asset that runs read.
        environments: ``NAME:VERSION`` of each environment, by name.
        endpoint: name of the online endpoint.
    """

    subscription_id: str
    resource_group: str
    workspace: str
    compute: str
    pipeline: str
    data: str
    environments: dict[str, str]
    endpoint: str

    @classmethod
    def read(cls, path: Path) -> "Stack":
        """Reads the file.

        Raises:
            UsageError: no such file, not JSON, or an output is missing; names it and how to write the file.
        """
        repair = f"write it with `pulumi stack output --json > {path}` after the stack is up"
        try:
            outputs = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"--outputs {path}: no such file", repair=repair) from None
        except ValueError as error:
            raise UsageError(f"--outputs {path}: not JSON", why=str(error), repair=repair) from None
        if not isinstance(outputs, dict):
            raise UsageError(f"--outputs {path}: want one JSON object", repair=repair)
        wanted = {
            "workspaceId": str, "computeName": str, "pipelineComponent": str, "dataAsset": str,
            "environments": dict, "endpointName": str,
        }  # fmt: skip
        wrong = [name for name, kind in wanted.items() if not isinstance(outputs.get(name), kind)]
        if wrong:
            raise UsageError(
                f"--outputs {path}: missing or of another type: {', '.join(wrong)}",
                why=f"it holds {', '.join(sorted(outputs)) or 'nothing'}", repair=repair,
            )  # fmt: skip
        return cls._from(path, outputs)

    @classmethod
    def _from(cls, path: Path, outputs: dict[str, Any]) -> "Stack":
        found = _WORKSPACE_ID.fullmatch(outputs["workspaceId"])
        if found is None:
            raise UsageError(f"--outputs {path}: workspaceId={outputs['workspaceId']!r} is no workspace's resource id")
        return cls(
            subscription_id=found[1],
            resource_group=found[2],
            workspace=found[3],
            compute=outputs["computeName"],
            pipeline=outputs["pipelineComponent"],
            data=outputs["dataAsset"],
            environments=outputs["environments"],
            endpoint=outputs["endpointName"],
        )

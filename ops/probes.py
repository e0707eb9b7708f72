"""Where a rollout's gate takes its question and the right answer from: the folder of the deployment's own model."""

import json
from dataclasses import dataclass, field
from typing import Protocol

from ops.command import OpsError
from ops.gate import Budget, Probe, Verdict, judge
from ops.scoring import Scorer
from ops.submit import OUTPUT
from ops.workspace import EndpointView, ModelVersion

SAMPLE = "sample.json"


class Source(Protocol):
    """What a gate needs from a workspace."""

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def endpoint_secret(self, name: str) -> str:  # noqa: D102 - see Workspace
        ...

    def models(self, name: str) -> list[ModelVersion]:  # noqa: D102 - see Workspace
        ...

    def output_file(self, run: str, output: str, file: str) -> bytes | None:  # noqa: D102 - see Workspace
        ...


@dataclass
class ModelGate:
    """The gate of one deployment. What it needs is fetched when it judges for the first time.

    Attributes:
        workspace: where the model is.
        endpoint: name of the endpoint.
        deployment: that is judged.
        budget: how long, and what is good enough.

    Raises:
        OpsError: the model behind the deployment was not registered by a release, or its run kept no sample.
    """

    workspace: Source
    endpoint: str
    deployment: str
    budget: Budget
    _ready: tuple[Scorer, Probe] | None = field(default=None, init=False)

    def __call__(self, shares_traffic: bool) -> Verdict:
        """Judges the deployment as it stands."""
        if self._ready is None:
            view = self.workspace.endpoint(self.endpoint)
            probe = self._probe(view.deployments[self.deployment])
            self._ready = Scorer(view.uri, self.workspace.endpoint_secret(self.endpoint)), probe
        scorer, probe = self._ready
        return judge(scorer, self.deployment, shares_traffic, probe, self.budget)

    def _probe(self, reference: str) -> Probe:
        name, _, version = reference.partition(":")
        model = next((known for known in self.workspace.models(name) if known.version == version), None)
        run = model.properties.get("run") if model else None
        content = self.workspace.output_file(run, OUTPUT, SAMPLE) if run else None
        if content is None:
            raise OpsError(
                f"model {reference} has no {SAMPLE}: its answers cannot be judged",
                repair="promote a version that python -m ops.register made",
            )
        sample = json.loads(content)
        return Probe(request=sample["request"], expected=sample["answer"])

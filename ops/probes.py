"""Where a rollout's gate takes its questions and the right answers from: the folder of the deployment's own model."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from ops.command import OpsError
from ops.gate import Budget, Judged, Probe, Verdict, judge
from ops.scoring import Scorer
from ops.views import EndpointView

PROBES = "probes.json"
# What takes longer than this counts as an error: a gate has to end though nobody answers.
_TIMEOUT_SECONDS = 5.0
LOG_FOLDER = Path("build/deployments")


class Source(Protocol):
    """What a gate needs from a workspace."""

    def endpoint(self, name: str) -> EndpointView:  # noqa: D102 - see Workspace
        ...

    def endpoint_secret(self, name: str) -> str:  # noqa: D102 - see Workspace
        ...

    def model_file(self, asset: str, file: str) -> bytes | None:  # noqa: D102 - see Workspace
        ...

    def deployment_log(self, endpoint: str, deployment: str) -> str:  # noqa: D102 - see Workspace
        ...


def read(content: bytes | None, reference: str, least: int) -> list[Probe]:
    """A model's own questions, each with the model's own answer.

    Raises:
        OpsError: there is none, the file is damaged, or it holds too few.
    """
    repair = "release a version whose folder holds it; the training pipeline writes it"
    if content is None:
        raise OpsError(f"model {reference} has no {PROBES}: its answers cannot be judged", repair=repair)
    try:
        kept = json.loads(content)
        pairs = list(zip(kept["requests"], kept["answers"], strict=True))
    except (ValueError, KeyError, TypeError) as error:
        raise OpsError(
            f"{PROBES} of model {reference} is damaged", why=f"{type(error).__name__}: {error}", repair=repair
        ) from None
    if len(pairs) < least:
        raise OpsError(
            f"{PROBES} of model {reference} holds {len(pairs)} requests", why=f"a gate needs {least} to tell",
            repair=repair,
        )  # fmt: skip
    return [Probe(request=request, expected=answer) for request, answer in pairs]


@dataclass
class ModelGate:
    """The gate of one deployment. What it needs is fetched when it judges for the first time.

    Attributes:
        workspace: where the model is.
        endpoint: name of the endpoint.
        deployment: that is judged.
        budget: how much, and what is good enough.

    Raises:
        OpsError: the folder of the deployment's model holds no questions, or too few.
    """

    workspace: Source
    endpoint: str
    deployment: str
    budget: Budget
    _ready: tuple[Scorer, list[Probe]] | None = field(default=None, init=False)

    def __call__(self, source: str, share: int, beat: Callable[[], None]) -> Verdict:
        """Judges the deployment as it stands, against the one that had the traffic before.

        Args:
            source: asked beside it; empty when there is none.
            share: percentage of the callers' requests that reaches it; from 1 on it is also asked as they ask.
            beat: called about every second.
        """
        if self._ready is None:
            view = self.workspace.endpoint(self.endpoint)
            asset = view.assets[self.deployment]
            content = self.workspace.model_file(asset, PROBES)
            probes = read(content, view.deployments[self.deployment], self.budget.requests)
            scorer = Scorer(view.uri, self.workspace.endpoint_secret(self.endpoint), _TIMEOUT_SECONDS)
            self._ready = scorer, probes
        scorer, probes = self._ready
        who = Judged(candidate=self.deployment, stable=source, share=share)
        verdict = judge(scorer, who, probes, self.budget, beat)
        return verdict if verdict.healthy else replace(verdict, log=self._log())

    def _log(self) -> str:
        """Keeps what the deployment wrote, since it may be removed next; returns the file, or nothing."""
        try:
            text = self.workspace.deployment_log(self.endpoint, self.deployment)
        except Exception:  # noqa: BLE001 - without its log a no is a no as well
            return ""
        file = LOG_FOLDER / f"{self.endpoint}-{self.deployment}.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return str(file)

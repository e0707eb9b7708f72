"""What an interrupted run left open, settled by asking the cloud what really happened."""

from dataclasses import replace

from sandbox.engine.deployment import Deployment, as_made
from sandbox.engine.events import Diagnostic
from sandbox.engine.journal import Edit, Intent
from sandbox.engine.providers import PREFIX
from sandbox.engine.state import Resource
from sandbox.provider.base import ProviderError


def settle(deployment: Deployment) -> bool:
    """Settle every intent; returns False when the cloud could not be asked, which is reported."""
    journal = deployment.journal
    for resource in journal.current.values():
        if resource.type.startswith(PREFIX):
            deployment.providers.declare(resource.urn, resource.inputs)
    for intent in journal.intents:
        resource = intent.resource
        started = deployment.start("recover", resource.urn, resource.type)
        try:
            _settle(deployment, intent)
        except ProviderError as error:
            deployment.done("recover", resource.urn, resource.type, started, error=str(error))
            deployment.fail(f"an earlier run was interrupted while it worked on this: {error}", resource.urn)
            return False
        deployment.done("recover", resource.urn, resource.type, started, resource_id=resource.id)
    journal.intents.clear()
    return True


def announce(deployment: Deployment) -> None:
    """Tell, in a preview, that the next run begins with settling."""
    for intent in deployment.journal.intents:
        message = f"an earlier run was interrupted during its {intent.op}; the next up settles it first"
        deployment.tell(Diagnostic("info", message, intent.resource.urn))


def _settle(deployment: Deployment, intent: Intent) -> None:
    journal, resource = deployment.journal, intent.resource
    provider = deployment.providers.find(resource.type, resource.provider)
    if intent.op == "update":
        # A PUT can be repeated: the next comparison finds work to do whatever the first one came to.
        old = journal.current.get(resource.urn, resource)
        journal.end(intent.number, Edit(put={(resource.urn, 0): _owing(old, "its update was interrupted")}))
        return
    inputs = resource.inputs
    found = provider.read(resource.urn, resource.id, inputs, resource.outputs) if resource.id else None
    edit = Edit()
    if intent.op in ("create", "replace"):
        if found is not None:
            edit.put[resource.urn, 0] = as_made(resource, replace(found, inputs=inputs))
            if intent.op == "replace" and resource.urn in journal.current:
                edit.put[resource.urn, journal.slot()] = journal.current[resource.urn]
    elif found is None:
        key = (resource.urn, intent.slot)
        if intent.op == "unmake":
            edit.put[key] = replace(resource, pending_replacement=True)
        else:
            edit.drop.add(key)
    journal.end(intent.number, edit)


def _owing(resource: Resource, problem: str) -> Resource:
    return replace(resource, problems=(*resource.problems, problem))

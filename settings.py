"""What a stack is: groups of settings, each optional, each one class. `settings_load` reads them.

Defaults are safe for production, so that a stack file shows only what makes the stack different
(docs/adr/0008-the-shape-of-a-stack.md). Units stand in the names; ranges stand in the rules.
"""

from dataclasses import dataclass

import pulumi

import settings_rules as rules
from azure_regions import REGIONS
from live_file import LiveFile
from model_file import ModelFile
from naming import Names
from settings_rules import setting

# The ids that the sandbox is born with. They exist in no cloud, so a stack of any subscription runs there.
SANDBOX_SUBSCRIPTION_ID = "5a9dbe11-0000-4000-8000-00000000b001"
SANDBOX_TENANT_ID = "5a9dbe11-0000-4000-8000-00000000a001"


class ConfigError(pulumi.RunError):
    """Every problem of a stack's configuration, one a line; an engine shows it without a stack trace."""


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """One autoscaling cluster.

    Attributes:
        name: compute target that jobs name.
        vm_size: a new value replaces the cluster.
        max_nodes: autoscaler ceiling; the regional vCPU quota must cover it.
        min_nodes: nodes kept when idle; 0 costs nothing at rest.
        idle_minutes: minutes without work before a node is released.
    """

    name: str = setting(rules.azure_name())
    vm_size: str = setting(rules.text(r"Standard_\w+", "a size such as Standard_D4ds_v5"))
    max_nodes: int = setting(rules.integer(1, 100), default=1)
    min_nodes: int = setting(rules.integer(0, 100), default=0)
    idle_minutes: int = setting(rules.integer(1, 120), default=5)


@dataclass(frozen=True, kw_only=True)
class PlatformSettings:
    """The workspace of a stack and what it is built on.

    Attributes:
        subscription_id: the only subscription that the stack is deployed to.
        tenant_id: directory of that subscription.
        location: Azure region of everything the stack creates. A new value replaces everything.
        owner: e-mail address of those who answer for the stack; becomes the tag "owner".
        name_salt: short word of your organisation; makes globally unique names yours. A new value renames everything.
        clusters: autoscaling clusters.
        deployers: object ids of the identities that may upload code and data. Absent, it is whoever runs the stack;
            empty, somebody else grants the role "Storage Blob Data Contributor".
        protect_data: refuse to delete or replace the workspace and what it stores until this is false.
        purge_protection: keep a deleted key vault until its retention ends. Azure never lets this go back to false.
        soft_delete_days: days a deleted key vault can be recovered. Fixed when the vault is created.
        log_retention_days: days that logs and telemetry are kept.
        storage_sku: redundancy of the storage account. Zone redundant unless said otherwise: training data and models
            must outlive one building.
        registry_sku: tier of the container registry. Private endpoints need Premium.
        public_network: let workspace, storage and vault be reached over the internet, by identities with a role
            only. Without private endpoints, which this platform does not make yet, false locks everybody out.
        require_clean_commit: refuse an update from files that no commit holds.
    """

    subscription_id: str = setting(rules.guid())
    tenant_id: str = setting(rules.guid())
    location: str = setting(rules.choice(*REGIONS))
    owner: str = setting(rules.text(r"[^@\s]+@[^@\s]+", "an e-mail address"))
    name_salt: str = setting(rules.azure_name(limit=24))
    clusters: tuple[ClusterSettings, ...] = setting(rules.objects(ClusterSettings), default=())
    deployers: tuple[str, ...] | None = setting(
        rules.texts("object ids", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", least=0), default=None
    )
    protect_data: bool = setting(rules.boolean(), default=True)
    purge_protection: bool = setting(rules.boolean(), default=True)
    soft_delete_days: int = setting(rules.integer(7, 90), default=90)
    log_retention_days: int = setting(rules.integer(30, 730), default=365)
    storage_sku: str = setting(
        rules.choice("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"), default="Standard_ZRS"
    )
    registry_sku: str = setting(rules.choice("Basic", "Standard", "Premium"), default="Premium")
    public_network: bool = setting(rules.boolean(), default=True)
    require_clean_commit: bool = setting(rules.boolean(), default=True)


@dataclass(frozen=True, kw_only=True)
class ExistingPlatformSettings:
    """A stack without a platform of its own: its models live in the workspace of another stack of this project.

    Attributes:
        existing: the other stack; its file says subscription, region and clusters.
        owner: e-mail address of those who answer for the models.
        require_clean_commit: refuse an update from files that no commit holds.
    """

    existing: str = setting(rules.words("the name of a stack"))
    owner: str = setting(rules.text(r"[^@\s]+@[^@\s]+", "an e-mail address"))
    require_clean_commit: bool = setting(rules.boolean(), default=True)


@dataclass(frozen=True, kw_only=True)
class RegistrySettings:
    """The ML registry of the organisation, through which models cross stacks; one stack makes it.

    Attributes:
        home: the stack that makes it; absent, it is this one. With it, a copy of the stack's file makes no second one.
        more_locations: regions beside the stack's own whose workspaces use it.
    """

    home: str | None = setting(rules.words("the name of a stack"), default=None)
    more_locations: tuple[str, ...] = setting(rules.texts("regions", "|".join(REGIONS), least=0), default=())


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """One model of a stack; what it is made of stands in ``ml_jobs/<model>/model.yaml``.

    Attributes:
        name: the model; its folder is the same with underscores.
        instance_type: size of each instance that serves it.
        instance_count: instances kept running.
        auth_mode: how callers prove who they are. With AADToken there is no key to leak.
        cluster: cluster its training runs use.
        promoted: it is not trained here; releases take it from the ML registry.
    """

    name: str = setting(rules.azure_name(limit=24))
    instance_type: str = setting(
        rules.text(r"Standard_\w+", "a size such as Standard_D2as_v4"), default="Standard_D2as_v4"
    )
    instance_count: int = setting(rules.integer(1, 20), default=1)
    auth_mode: str = setting(rules.choice("Key", "AADToken"), default="AADToken")
    cluster: str = setting(rules.azure_name(), default="train")
    promoted: bool = setting(rules.boolean(), default=False)


@dataclass(frozen=True, kw_only=True)
class RegistryHome:
    """Where the ML registry is.

    Attributes:
        stack: the stack that makes it.
        subscription_id: subscription of that stack.
    """

    stack: str
    subscription_id: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the stack, complete.

    Attributes:
        settings: what this stack decides.
        file: what the model is.
    """

    settings: ModelSettings
    file: ModelFile


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's configuration, checked.

    Attributes:
        platform: the platform that the models live in, of this stack or of the ``existing`` one; its subscription and
            tenant are those that the stack is deployed to.
        existing: the stack whose platform it is; None when it is this stack's own.
        names: physical names of this stack.
        platform_names: physical names of the platform.
        owner: who answers for the stack.
        require_clean_commit: an update needs a commit.
        registry: the ML registry, where this stack makes it.
        registry_home: where it is, once some stack makes it.
        models: models by their place in the stack's file.
        live: what releases have put behind the endpoints.
    """

    platform: PlatformSettings
    existing: str | None
    names: Names
    platform_names: Names
    owner: str
    require_clean_commit: bool
    registry: RegistrySettings | None
    registry_home: RegistryHome | None
    models: tuple[Model, ...]
    live: LiveFile

"""The one place that reads stack configuration. Everything else takes typed values.

Nothing here calls a cloud: a stack's configuration is judged the same way with and without credentials, and every
mistake in the stack's file, in the models' and in what is live is told at once.
"""

import dataclasses
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pulumi
import pulumi.runtime
import pulumi.runtime.config

import checkout
import model_file
import settings_rules as rules
import vm_sizes
import yaml_lines
from live_file import LiveFile, LiveFileError
from model_file import ModelFile, ModelFileError
from naming import Names, check_label
from settings import (
    SANDBOX_SUBSCRIPTION_ID,
    SANDBOX_TENANT_ID,
    ClusterSettings,
    ConfigError,
    ExistingPlatformSettings,
    Model,
    ModelSettings,
    PlatformSettings,
    RegistryHome,
    RegistrySettings,
    Settings,
)
from settings_rules import Problem, Reader
from yaml_lines import Where

GROUPS: dict[str, rules.Rule] = {
    "platform": rules.object_of(PlatformSettings),
    "registry": rules.object_of(RegistrySettings),
    "models": rules.objects(ModelSettings),
}
_ID_VARIABLES = {
    "subscription_id": ("ARM_SUBSCRIPTION_ID", "AZURE_SUBSCRIPTION_ID"),
    "tenant_id": ("ARM_TENANT_ID", "AZURE_TENANT_ID"),
}
_SANDBOX = {"subscription_id": SANDBOX_SUBSCRIPTION_ID, "tenant_id": SANDBOX_TENANT_ID}


def load(today: date | None = None) -> Settings:
    """Reads, checks and freezes the stack's configuration.

    Args:
        today: day that retirements are judged by.

    Raises:
        ConfigError: all problems at once, each with file, line, key, what was found, what is accepted and the repair.
    """
    loader = _Loader(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        preview=pulumi.runtime.is_dry_run(),
        today=today or datetime.now(UTC).date(),
    )
    found = loader.load()
    if loader.problems or found is None:
        count = len(loader.problems)
        lines = "".join(f"\n  {problem}" for problem in loader.problems)
        raise ConfigError(f"{count} problem{'s' if count > 1 else ''} with stack {loader.stack}:{lines}")
    for warning in loader.warnings:
        pulumi.log.warn(warning)
    return found


@dataclass
class _Loader:
    project: str
    stack: str
    preview: bool
    today: date
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def load(self) -> Settings | None:
        """The settings, or None after a problem that leaves nothing to look at."""
        reader, raw = self._configured()
        mine = self._platform(reader, raw.get("platform"))
        registry = self._group(reader, raw, "registry")
        self._group(reader, raw, "models")
        models = self._models(reader, raw.get("models"), self._clusters(reader, raw.get("platform"), mine))
        live = self._live([each.settings.name for each in models])
        home = self._registry_home(reader, registry)
        in_sandbox = self._check_account(reader, self._ids(reader, raw.get("platform")))
        self._check_commit(reader, raw.get("platform"))
        self._check_name(reader)
        if mine is None or self.problems:
            return None
        self._check_protection(mine, models)
        if in_sandbox:
            mine = mine.in_sandbox()
        return Settings(
            platform=mine.platform,
            existing=mine.existing,
            names=self._names(self.stack, mine),
            platform_names=self._names(mine.home, mine),
            owner=mine.owner,
            require_clean_commit=mine.require_clean_commit,
            registry=registry if home and home.stack == self.stack else None,
            registry_home=self._home_now(home, mine),
            models=tuple(models),
            live=live,
        )

    def _configured(self) -> tuple[Reader, dict[str, Any]]:
        """The groups as the engine hands them over, and a reader that knows their lines in the stack's file."""
        raw, full = {}, f"{self.project}:"
        # pulumi.Config can only be asked for keys one already knows, and the unknown ones are wanted here.
        for key, text in sorted((pulumi.runtime.config.CONFIG.get() | pulumi.runtime.config.get_config_env()).items()):
            if key.startswith(full):
                raw[key.removeprefix(full)] = _plain(text)
        reader = self._reader(raw)
        for key in raw:
            if key not in GROUPS:
                found = f"unknown key{rules.nearest(key, GROUPS)}"
                reader.report((full + key,), found, f"keys {', '.join(full + group for group in GROUPS)}")
        return reader, raw

    def _reader(self, raw: dict[str, Any]) -> Reader:
        file = Path(f"Pulumi.{self.stack}.yaml")
        try:
            document = yaml_lines.read(file)
        except (OSError, yaml_lines.YamlFileError):  # values can come from elsewhere, and the engine read the file
            return Reader(file=file.as_posix(), problems=self.problems)
        held = _config_of(document, self.project)
        # Lines of values that came from elsewhere would mislead.
        same = {key for key, value in raw.items() if held.get(key) == value}
        lines: dict[Where, int] = {}
        for where, line in document.lines.items():
            if len(where) > 1 and where[0] == "config" and _group_of(where[1], self.project) in same:
                lines[f"{self.project}:{_group_of(where[1], self.project)}", *where[2:]] = line
        repeated = tuple((where[1:], line, first) for where, line, first in document.repeated if where[1:])
        return Reader.of(dataclasses.replace(document, lines=lines, repeated=repeated), self.problems)

    def _group(self, reader: Reader, raw: dict[str, Any], key: str) -> Any:
        return reader.value((f"{self.project}:{key}",), raw[key], GROUPS[key]) if key in raw else None

    def _platform(self, reader: Reader, raw: Any) -> "_Mine | None":
        where: Where = (f"{self.project}:platform",)
        if raw is None:
            reader.report(where, "missing", f"{GROUPS['platform'].accepted}; or existing: STACK and owner")
            return None
        if isinstance(raw, dict) and "existing" in raw:
            existing: ExistingPlatformSettings | None = reader.object(where, raw, ExistingPlatformSettings)
            named = reader.right.get((*where, "existing"))
            platform = self._platform_of(reader, (*where, "existing"), named) if named else None
            if existing is None or platform is None:
                return None
            return _Mine(platform, existing.existing, existing.existing, existing.owner, existing.require_clean_commit)
        own: PlatformSettings | None = reader.value(where, raw, GROUPS["platform"])
        for here, cluster in [at for at in reader.right.items() if isinstance(at[1], ClusterSettings)]:
            if cluster.min_nodes > cluster.max_nodes:
                found = f"{cluster.min_nodes} is more than max_nodes={cluster.max_nodes}"
                reader.report((*here, "min_nodes"), found, "min_nodes up to max_nodes")
        for here, size in [at for at in reader.right.items() if at[0][-1] == "vm_size"]:
            self._check_size(reader, here, size, "cluster")
        return _Mine(own, None, self.stack, own.owner, own.require_clean_commit) if own else None

    def _clusters(self, reader: Reader, raw: Any, mine: "_Mine | None") -> list[str] | None:
        """Names of the clusters that models may train on; None while they are not known."""
        if mine is None and isinstance(raw, dict) and "existing" not in raw:
            clusters = reader.right.get((f"{self.project}:platform", "clusters"), None if "clusters" in raw else ())
        else:
            clusters = mine.platform.clusters if mine else None
        return None if clusters is None else [cluster.name for cluster in clusters]

    def _platform_of(self, reader: Reader, where: Where, stack: str) -> PlatformSettings | None:
        """The platform that another stack's file declares."""
        others = [other for other in _stacks() if other != self.stack]
        if stack not in others:
            found = f"{stack!r}: no such stack{rules.nearest(stack, others)}"
            reader.report(where, found, f"one of {', '.join(others) or 'no other stack'}")
            return None
        raw = _other(stack, self.project).get("platform")
        if not isinstance(raw, dict) or "existing" in raw:
            reader.report(where, f"{stack!r} has no platform of its own", "a stack with a platform")
            return None
        quiet = Reader(file=f"Pulumi.{stack}.yaml")
        platform: PlatformSettings | None = quiet.object((f"{self.project}:platform",), raw, PlatformSettings)
        if platform is None:
            reader.report(where, f"{stack!r} has problems of its own: {quiet.problems[0]}", "a stack without problems")
        return platform

    def _models(self, reader: Reader, raw: Any, clusters: list[str] | None) -> list[Model]:
        """The models that are right; each part of the others that is right in itself is judged too."""
        found = []
        for i in range(len(raw) if isinstance(raw, list) else 0):
            where: Where = (f"{self.project}:models", i)
            settings: ModelSettings | None = reader.right.get(where)
            if size := settings.instance_type if settings else reader.right.get((*where, "instance_type")):
                self._check_size(reader, (*where, "instance_type"), size, "endpoint")
            if settings and clusters is not None and not settings.promoted and settings.cluster not in clusters:
                declared = ", ".join(clusters) or "none"
                accepted = f"one of {self.project}:platform.clusters: {declared}"
                reader.report((*where, "cluster"), f"{settings.cluster!r} is not declared", accepted)
            name = reader.right.get((*where, "name"))
            file = self._file(reader, (*where, "name"), name) if name else None
            if file and settings:
                found.append(Model(settings=settings, file=file))
                if not settings.promoted:
                    self._check_data(file)
        return found

    def _file(self, reader: Reader, where: Where, name: str) -> ModelFile | None:
        if not model_file.folder_of(name).is_dir():
            known = model_file.known()
            found = f"{name!r}: no such folder: {model_file.folder_of(name).as_posix()}{rules.nearest(name, known)}"
            repair = f"make model NAME={name}" + (f" STACK={self.stack}" if self.stack != "dev" else "")
            reader.report(where, found, f"one of {', '.join(known) or 'no model yet'}", repair)
            return None
        try:
            return model_file.read(name)
        except ModelFileError as error:
            self.problems.extend(error.problems)
            return None

    def _check_data(self, file: ModelFile) -> None:
        """An update uploads the data, so it must be there; a preview can do without."""
        missing = model_file.missing_data(file)
        if missing and self.preview:
            self.warnings.append(
                f"{file.name}: its data is not made yet ({missing.found}), so its version is unknown; make up makes it "
                f"first, with: {file.data.made_by}"
            )
        elif missing:
            self.problems.append(missing)

    def _check_size(self, reader: Reader, where: Where, size: str, use: vm_sizes.Use) -> None:
        verdict = vm_sizes.judge(size, use, self.today)
        if verdict.problem:
            accepted = "a size that Azure sells, such as " + ("Standard_D4ds_v5", "Standard_D2as_v4")[use == "endpoint"]
            reader.report(where, f"{size!r}: {verdict.problem}", accepted)
        elif verdict.warning:
            self.warnings.append(f"{rules.spelled(where)}: {size}: {verdict.warning}")

    def _live(self, models: list[str]) -> LiveFile:
        try:
            live = LiveFile.read(self.stack)
        except LiveFileError as error:
            self.problems.extend(error.problems)
            return LiveFile(stack=self.stack, path=Path())
        for model in live.models:
            if model not in models:
                self.warnings.append(f"{model}: live, and not listed any more: an update deletes its endpoint")
        return live

    def _registry_home(self, reader: Reader, registry: RegistrySettings | None) -> RegistryHome | None:
        """Where the one registry is; stacks that promote read it from the file of the stack that makes it."""
        homes = [stack for stack in _stacks() if stack != self.stack and _makes_registry(stack, self.project)]
        where: Where = (f"{self.project}:registry",)
        mine = registry is not None and registry.home in (None, self.stack)
        if mine and homes:
            found = f"stack {homes[0]} makes it already"
            reader.report(where, found, "one registry for the organisation", f"name it: {{home: {homes[0]}}}")
        if registry is not None and not mine and registry.home not in homes:
            found = f"stack {registry.home!r} makes none{rules.nearest(str(registry.home), homes)}"
            reader.report((*where, "home"), found, f"one of {', '.join([self.stack, *homes])}")
        promoted = [where for where, value in reader.right.items() if where[-1] == "promoted" and value]
        if promoted and registry is None and not homes:
            here = promoted[0]
            accepted = f"a stack with {self.project}:registry, such as dev"
            reader.report(here, "no stack makes the ML registry", accepted, f"add {self.project}:registry: {{}}")
        if mine or not homes:
            return RegistryHome(stack=self.stack, subscription_id="") if mine else None
        platform = _other(homes[0], self.project).get("platform")
        subscription = platform.get("subscription_id") if isinstance(platform, dict) else None
        return RegistryHome(stack=homes[0], subscription_id=str(subscription or ""))

    def _home_now(self, home: RegistryHome | None, mine: "_Mine") -> RegistryHome | None:
        here = home and (home.stack == self.stack or mine.platform.subscription_id == SANDBOX_SUBSCRIPTION_ID)
        return dataclasses.replace(home, subscription_id=mine.platform.subscription_id) if home and here else home

    def _ids(self, reader: Reader, raw: Any) -> dict[str, str]:
        """The ids that the stack is deployed to, as far as they are known."""
        where: Where = (f"{self.project}:platform",)
        if not (isinstance(raw, dict) and "existing" in raw):
            return {key: reader.right[*where, key] for key in _ID_VARIABLES if (*where, key) in reader.right}
        platform = _other(reader.right.get((*where, "existing"), ""), self.project).get("platform")
        held = platform if isinstance(platform, dict) else {}
        return {key: str(held[key]) for key in _ID_VARIABLES if key in held}

    def _check_account(self, reader: Reader, own: dict[str, str]) -> bool:
        """Whether the environment leads to the sandbox; anything but that or the stack's own account is a problem."""
        said = {
            (key, name): os.environ[name].lower()
            for key, names in _ID_VARIABLES.items() for name in names if os.environ.get(name)
        }  # fmt: skip
        in_sandbox = any(value == _SANDBOX[key] for (key, _), value in said.items())
        wanted = _SANDBOX if in_sandbox else own
        sign_in = f"az login --tenant {own['tenant_id']}, or " if "tenant_id" in own else ""
        for (key, name), value in said.items():
            if value != wanted.get(key, value):
                found, repair = f"{name}={value} is another one than {wanted[key]}", f"{sign_in}unset {name}"
                reader.report((f"{self.project}:platform", key), found, "the ids that the stack names", repair)
        return in_sandbox

    def _check_name(self, reader: Reader) -> None:
        home = reader.right.get((f"{self.project}:platform", "existing"), self.stack)
        for part, value in (("project", self.project), *(("stack", stack) for stack in sorted({self.stack, home}))):
            try:
                check_label(part, value)
            except ValueError as error:
                file = {"project": "name in Pulumi.yaml", "stack": f"Pulumi.{value}.yaml"}[part]
                reader.report((part,), str(error), "a name such as team-a", f"rename {file}")

    def _names(self, stack: str, mine: "_Mine") -> Names:
        return Names(project=self.project, stack=stack, salt=mine.platform.name_salt, location=mine.platform.location)

    def _check_commit(self, reader: Reader, raw: Any) -> None:
        where: Where = (f"{self.project}:platform", "require_clean_commit")
        if not isinstance(raw, dict):
            return
        wanted = reader.right.get(where, False) if where[1] in raw else True
        unclean = checkout.unclean() if wanted else None
        if unclean and self.preview:
            self.warnings.append(f"{unclean}: an update of this stack needs a commit")
        elif unclean:
            reader.report(where, unclean, "files of one commit", "git commit; or require_clean_commit: false")

    def _check_protection(self, mine: "_Mine", models: list[Model]) -> None:
        """A file that was copied from a stack for trying things, for one that others rely on, is half changed."""
        serves = [each.settings.name for each in models if each.settings.promoted]
        why = "takes promoted models" if serves else "takes committed code only" if mine.require_clean_commit else ""
        if why and mine.existing is None and not mine.platform.protect_data:
            self.warnings.append(
                f"protect_data is false, although this stack {why}: nothing keeps its workspace and data from being "
                "deleted; set protect_data: true, or leave it out"
            )


@dataclass(frozen=True)
class _Mine:
    platform: PlatformSettings
    existing: str | None
    home: str
    owner: str
    require_clean_commit: bool

    def in_sandbox(self) -> "_Mine":
        """The same with the sandbox's ids; nobody of the stack's directory is there, so its own caller deploys."""
        platform = dataclasses.replace(
            self.platform, subscription_id=SANDBOX_SUBSCRIPTION_ID, tenant_id=SANDBOX_TENANT_ID, deployers=None
        )
        return dataclasses.replace(self, platform=platform)


def _plain(text: str) -> Any:
    """A value as the file gave it; an engine hands over JSON for all that is not a string."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # of the wrong kind, which the rule says better than a parser


def _stacks() -> list[str]:
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in Path().glob("Pulumi.*.yaml"))


def _other(stack: str, project: str) -> dict[str, Any]:
    """The groups of another stack's file; empty when it cannot be read, which is that stack's own problem."""
    try:
        return _config_of(yaml_lines.read(Path(f"Pulumi.{stack}.yaml")), project)
    except (OSError, yaml_lines.YamlFileError):
        return {}


def _makes_registry(stack: str, project: str) -> bool:
    """Whether another stack's file says that it makes the registry."""
    said = _other(stack, project).get("registry")
    return isinstance(said, dict) and said.get("home") in (None, stack)


def _config_of(document: yaml_lines.Document, project: str) -> dict[str, Any]:
    content = document.content if isinstance(document.content, dict) else {}
    config = content.get("config")
    held = config.items() if isinstance(config, dict) else ()
    return {group: value for key, value in held if (group := _group_of(key, project))}


def _group_of(key: object, project: str) -> str:
    """The group that a key of a stack's file names; '' for a key of another namespace."""
    namespace, _, name = str(key).rpartition(":")
    return name if namespace in ("", project) else ""

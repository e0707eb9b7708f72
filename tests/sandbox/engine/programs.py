"""Random programs in several versions, for two engines to run: whatever one does, the other must do."""

import random
from dataclasses import dataclass, field, replace

PREAMBLE = """
import pulumi
import pulumi_azure_native as az
from pulumi import Alias, ResourceOptions as Opts, export


class Box(pulumi.ComponentResource):
    def __init__(self, name, opts=None):
        super().__init__("my:x:Box", name, None, opts)
        self.register_outputs({})


"""
_REGIONS = ("westeurope", "northeurope")


@dataclass(frozen=True)
class Item:
    """One resource of a program.

    Attributes:
        name: logical name.
        kind: ``group``, ``identity``, ``account`` or ``container``.
        needs: names of what it is made from: a group, an account.
        after: names it waits for without using them.
        fixed: physical name, '' to have one made.
    """

    name: str
    kind: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    parent: str = ""
    fixed: str = ""
    region: str = _REGIONS[0]
    tag: int = 0
    options: tuple[str, ...] = ()
    former: str = ""

    def text(self) -> str:
        """The declaration in Python."""
        properties = [f"tags={{'n': '{self.tag}', 'all': 'x'}}"]
        if self.kind == "group":
            what, name = "az.resources.ResourceGroup", "resource_group_name"
        elif self.kind == "identity":
            what, name = "az.managedidentity.UserAssignedIdentity", "resource_name_"
        elif self.kind == "account":
            what, name = "az.storage.StorageAccount", "account_name"
            properties += ["kind='StorageV2'", "sku={'name': 'Standard_LRS'}"]
        else:
            what, name = "az.storage.BlobContainer", "container_name"
            properties = [f"metadata={{'n': '{self.tag}'}}", f"account_name={self.needs[1]}.name"]
        if self.kind != "container":
            properties.append(f"location='{self.region}'")
        if self.needs:
            properties.append(f"resource_group_name={self.needs[0]}.name")
        if self.fixed:
            properties.append(f"{name}='{self.fixed}'")
        options = list(self.options)
        if self.after:
            options.append(f"depends_on=[{', '.join(self.after)}]")
        if self.parent:
            options.append(f"parent={self.parent}")
        if self.former:
            options.append(f"aliases=[Alias(name='{self.former}')]")
        return f"{self.name} = {what}('{self.name}', {', '.join(properties)}, opts=Opts({', '.join(options)}))"


@dataclass
class Program:
    """A list of resources, each after what it needs."""

    items: list[Item] = field(default_factory=list)

    def text(self) -> str:
        """The whole program."""
        boxes = sorted({item.parent for item in self.items if item.parent})
        lines = [f"{box} = Box('{box}')" for box in boxes]
        lines += [item.text() for item in self.items]
        lines += [f"export('{item.name}', {item.name}.id)" for item in self.items]
        if self.items:
            lines.append(f"export('hidden', pulumi.Output.secret({self.items[0].name}.name))")
        return PREAMBLE + "\n".join(lines) + "\n"


def versions(seed: int, length: int = 3) -> list[Program]:
    """A program and what became of it, repeatably."""
    dice = random.Random(seed)  # noqa: S311 - repeatable
    programs = [_first(dice, seed)]
    while len(programs) < length:
        programs.append(_changed(dice, programs[-1], seed * 100 + len(programs)))
    return programs


def _first(dice: random.Random, seed: int) -> Program:
    items = [Item("g0", "group", fixed=f"rg-{seed}")]
    for number in range(dice.randint(2, 5)):
        items.append(_new(dice, items, f"r{number}", f"{seed}n{number}"))
    return Program(items)


def _new(dice: random.Random, items: list[Item], name: str, unique: str) -> Item:
    groups = [item.name for item in items if item.kind == "group"]
    accounts = [item for item in items if item.kind == "account"]
    kind = dice.choice(["identity", "account", "container" if accounts else "account", "group"])
    fixed = dice.random() < 0.5
    parent = dice.choice(["", "", "box1", "box2"])
    if kind == "container":
        account = dice.choice(accounts)
        return Item(name, kind, (account.needs[0], account.name), fixed=f"c{unique}" if fixed else "", parent=parent)
    if kind == "group":
        return Item(name, kind, fixed=f"rg-{unique}" if fixed else "", parent=parent)
    after = (dice.choice(items).name,) if dice.random() < 0.3 else ()
    fixed_name = f"{'st' if kind == 'account' else 'id-'}{unique}" if fixed else ""
    return Item(name, kind, (dice.choice(groups),), after, parent, fixed_name)


def _changed(dice: random.Random, before: Program, unique: int) -> Program:
    items = list(before.items)
    for number in range(dice.randint(1, 3)):
        at = dice.randrange(len(items))
        item = items[at]
        change = dice.choice(["tag", "tag", "region", "options", "rename", "drop", "add", "move"])
        if change == "tag":
            items[at] = replace(item, tag=item.tag + 1)
        elif change == "region" and item.kind != "container":
            items[at] = replace(item, region=_REGIONS[1 - _REGIONS.index(item.region)])
        elif change == "options":
            option = dice.choice([
                "protect=True", "ignore_changes=['tags']", "delete_before_replace=True", "retain_on_delete=True",
                "replace_on_changes=['tags']", "additional_secret_outputs=['name']",
            ])  # fmt: skip
            items[at] = replace(item, options=() if item.options else (option,), tag=item.tag + 1)
        elif change == "rename" and not item.former:
            items = _renamed(items, item.name, f"{item.name}x")
        elif change == "drop" and not any(item.name in (*other.needs, *other.after) for other in items) and at:
            del items[at]
        elif change == "add":
            items.append(_new(dice, items, f"a{unique}{number}", f"{unique}m{number}"))
        elif change == "move" and not item.parent and not item.former:
            items[at] = replace(item, tag=item.tag + 1)
    return Program(items)


def _renamed(items: list[Item], old: str, new: str) -> list[Item]:
    def other(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(new if name == old else name for name in names)

    return [
        replace(
            item, name=new if item.name == old else item.name, former=old if item.name == old else item.former,
            needs=other(item.needs), after=other(item.after),
        )
        for item in items
    ]  # fmt: skip

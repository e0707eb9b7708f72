"""Online endpoint: one address before deployments, with keys and shares of the traffic.

Not here: the servers (online_deployment.py), the requests (planes/scoring.py).
"""

from collections.abc import Mapping
from datetime import timedelta

from sandbox import clock
from sandbox.arm.azure import Azure
from sandbox.arm.keys import own
from sandbox.arm.kind import Body, Kind, Name, Refusal, action
from sandbox.arm.resource import Change, Resource, View
from sandbox.arm.settings import setting
from sandbox.types.ml.asset import ML

UNIQUE = "mlonline/{location}"
SCORE = f"{ML}/workspaces/onlineEndpoints/score/action"
MODES = ("Key", "AMLToken", "AADToken")
TOKEN_SECONDS = 12 * 3600
_VERSIONS = "properties.keyVersions"


class OnlineEndpoint(Kind):
    """``workspaces/onlineEndpoints``."""

    arm_type = f"{ML}/workspaces/onlineEndpoints"
    level = "runs"
    name = Name(
        r"[A-Za-z][-A-Za-z0-9]{1,30}[A-Za-z0-9]",
        "3-32 letters, digits or hyphens, starting with a letter and not ending with a hyphen, unique in the region",
        UNIQUE,
        source="learn.microsoft.com: concept-endpoints-online",
    )
    tracked = True
    system_data = True
    lro = True
    frozen = ("properties.authMode", "properties.compute")
    hidden = (_VERSIONS, "properties.keys")
    defaults = {"properties.publicNetworkAccess": "Enabled", "properties.properties": {}}
    differs = {
        "properties.traffic": "a PUT without it ends it; PUT /unsent-traffic to the sandbox keeps it",
        "regenerateKeys.keyValue": "a new key is made whatever value is sent",
        "properties.publicNetworkAccess": "kept; every client is on this machine",
        "properties.compute": "kept; deployments on Kubernetes are not run",
    }

    def fill(self, new: Resource, old: Resource | None, change: Change) -> None:
        """Keys have versions, not values; the client wants a bag of properties."""
        new.properties["properties"] = new.properties.get("properties") or {}
        keeps = setting(change.reader, "unsent-traffic") == "kept"
        for shares in ("traffic", "mirrorTraffic"):
            if new.properties.get(shares) is None:
                new.properties[shares] = (old.get(f"properties.{shares}") if old and keeps else None) or {}
        mode = str(new.get("properties.authMode", "Key"))
        new.properties["authMode"] = next((known for known in MODES if known.lower() == mode.lower()), mode)
        new.properties["keyVersions"] = old[_VERSIONS] if old else {"primary": 1, "secondary": 1}
        new.properties.pop("keys", None)

    def check(self, new: Resource, old: Resource | None, view: View) -> None:
        """A way to sign in, and shares of deployments that are there."""
        mode = new["properties.authMode"]
        if mode not in MODES:
            raise _refuse(new, f"authMode is '{mode}': want one of {', '.join(MODES)}")
        there = {each.name for each in view.children(new.id.text, f"{self.arm_type}/deployments")}
        traffic, mirror = new.properties["traffic"], new.properties["mirrorTraffic"]
        for what, shares in (("traffic", traffic), ("mirrorTraffic", mirror)):
            _check_shares(new, what, shares, there)
        if (total := sum(traffic.values())) not in (0, 100):
            raise _refuse(new, f"traffic adds up to {total}: want 0 or 100")
        if len(mirror) > 1 or sum(mirror.values()) > 50:
            raise _refuse(new, f"mirrorTraffic is {mirror}: want one deployment with at most 50")
        if doubled := [name for name, share in mirror.items() if share and traffic.get(name)]:
            raise _refuse(new, f"'{doubled[0]}' takes traffic and cannot take mirrored traffic as well")

    def outputs(self, me: Resource, view: View) -> Body:
        """Where it is reached."""
        base = f"https://{me.name.lower()}.{me['location']}.inference.ml.azure.com"
        return {"properties": {"scoringUri": f"{base}/score", "swaggerUri": f"{base}/swagger.json"}}

    @action("listKeys")
    def list_keys(self, me: Resource, body: Body, azure: Azure) -> Body:
        """Both keys."""
        if me["properties.authMode"] != "Key":
            raise _refuse(me, f"it has no keys: its authMode is {me['properties.authMode']}")
        return {f"{name}Key": key for name, key in keys_of(me, azure).items()}

    @action("regenerateKeys")
    async def regenerate(self, me: Resource, body: Body, azure: Azure) -> Body:
        """A new key in the place of one."""
        which = str(body.get("keyType", "")).lower()
        if me["properties.authMode"] != "Key" or which not in me[_VERSIONS]:
            asked = f"keyType is '{body.get('keyType')}', authMode is {me['properties.authMode']}"
            raise _refuse(me, f"{asked}: want Primary or Secondary of an endpoint with keys")

        def turn(current: Resource) -> None:
            current.properties["keyVersions"][which] += 1

        await azure.revise(me, turn)
        return {}

    @action("token")
    def token(self, me: Resource, body: Body, azure: Azure) -> Body:
        """A token for half a day."""
        if me["properties.authMode"] != "AMLToken":
            raise _refuse(me, f"it gives no tokens: its authMode is {me['properties.authMode']}")
        now = clock.now()
        ends = now + timedelta(seconds=TOKEN_SECONDS)
        return {
            "accessToken": token_of(me, int(ends.timestamp()), azure), "tokenType": "Bearer",
            "expiryTimeUtc": int(ends.timestamp()),
            "refreshAfterTimeUtc": int((now + timedelta(seconds=TOKEN_SECONDS / 2)).timestamp()),
        }  # fmt: skip


def keys_of(me: Resource, view: View) -> dict[str, str]:
    """Primary and secondary key."""
    versions = me[_VERSIONS].items()
    return {name: own(view.reader, me, name, str(version), size=24) for name, version in versions}


def token_of(me: Resource, ends: int, view: View) -> str:
    """The endpoint's own token that ends at a time, in seconds since 1970."""
    return f"{ends}.{own(view.reader, me, 'token', str(ends), size=32)}"


def _check_shares(me: Resource, what: str, shares: Mapping[str, int], there: set[str]) -> None:
    for name, share in shares.items():
        if not 0 <= share <= 100:
            raise _refuse(me, f"{what} of '{name}' is {share}: want 0 to 100")
        if share and name not in there:
            raise _refuse(me, f"{what} names deployment '{name}'; there is: {', '.join(sorted(there)) or 'none'}")


def _refuse(me: Resource, what: str) -> Refusal:
    return Refusal(400, "BadArgument", f"Online endpoint '{me.name}': {what}.")

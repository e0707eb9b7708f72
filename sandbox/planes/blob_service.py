"""Operations on the blob service of an account."""

import re
from datetime import datetime, timedelta

from sandbox import clock
from sandbox.arm.errors import ArmError
from sandbox.constants import TENANT_ID
from sandbox.gateway.http import Response
from sandbox.planes import blob_signing, blob_xml
from sandbox.planes.blob_target import LATEST, Operation, Target, page_size

_LONGEST = timedelta(days=7)
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"
_PROPERTIES = (
    "<StorageServiceProperties><Logging><Version>1.0</Version><Delete>false</Delete><Read>false</Read><Write>false</Write>"
    "<RetentionPolicy><Enabled>false</Enabled></RetentionPolicy></Logging><Cors/>"
    "<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>"
    "<StaticWebsite><Enabled>false</Enabled></StaticWebsite></StorageServiceProperties>"
)


async def list_containers(target: Target) -> Response:
    """Containers by name."""
    query = target.request.query
    limit = page_size(query)
    blob_xml.check_include(query, "metadata")
    found = target.blobs.containers(target.account.name, query.get("prefix", ""))
    found = [each for each in found if each.name >= query.get("marker", "")]
    marker = found[limit].name if len(found) > limit else ""
    endpoint = f"https://{target.request.host}/"
    return blob_xml.answer(blob_xml.containers(endpoint, found[:limit], query, marker))


async def properties(target: Target) -> Response:
    """Properties of the service, or what kind of account it is."""
    if target.request.query.get("restype") == "account":
        return Response(200, headers={"x-ms-sku-name": "Standard_LRS", "x-ms-account-kind": "StorageV2"})
    return blob_xml.answer(_PROPERTIES)


async def user_delegation_key(target: Target) -> Response:
    """A key with which its owner may sign for up to a week."""
    if not target.caller:
        raise ArmError(403, "AuthenticationFailed", "A user delegation key is given to a bearer token only.")
    body = (await target.request.body()).decode("utf-8", "replace")
    start, expiry = _moment(body, "Start"), _moment(body, "Expiry")
    now = clock.now()
    if not now < expiry <= now + _LONGEST + timedelta(minutes=15) or start >= expiry:
        raise ArmError(
            400, "InvalidXmlNodeValue", f"Expiry is {expiry:{_FORMAT}}: want up to 7 days from now, and after Start."
        )
    words = {
        "skoid": target.caller, "sktid": TENANT_ID, "skt": start.strftime(_FORMAT), "ske": expiry.strftime(_FORMAT),
        "sks": "b", "skv": target.request.headers.get("x-ms-version", LATEST),
    }  # fmt: skip
    value = blob_signing.delegation_key(target.azure, target.account.name, target.account.created, words)
    names = ("SignedOid", "SignedTid", "SignedStart", "SignedExpiry", "SignedService", "SignedVersion")
    shown = "".join(blob_xml.element(name, word) for name, word in zip(names, words.values(), strict=True))
    return blob_xml.answer(f"<UserDelegationKey>{shown}{blob_xml.element('Value', value)}</UserDelegationKey>")


def _moment(body: str, name: str) -> datetime:
    found = re.search(rf"<{name}>([^<]+)</{name}>", body)
    try:
        moment = datetime.fromisoformat(found[1]) if found else clock.now()
    except ValueError as error:
        raise ArmError(400, "InvalidXmlNodeValue", f"{name} is '{found[1] if found else ''}', no time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=clock.now().tzinfo)


OPERATIONS = {
    ("GET", "list"): Operation(
        list_containers, "containers/read", "l", data=False, query=("prefix", "marker", "maxresults", "include")
    ),
    ("GET", "properties"): Operation(properties, "read", "r", data=False),
    ("POST", "userdelegationkey"): Operation(user_delegation_key, "generateUserDelegationKey/action", "", data=False),
}

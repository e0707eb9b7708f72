"""The one tenant, subscription and caller that the sandbox is born with.

The ids are fixed so that names derived from them stay stable from one sandbox to the next. They are not
credentials: the caller's secret is made at the first start and kept in a file that only its owner can read.
"""

TENANT_ID = "5a9dbe11-0000-4000-8000-00000000a001"
SUBSCRIPTION_ID = "5a9dbe11-0000-4000-8000-00000000b001"
CLIENT_ID = "5a9dbe11-0000-4000-8000-00000000c001"
OBJECT_ID = "5a9dbe11-0000-4000-8000-00000000c002"
LOCATION = "westeurope"

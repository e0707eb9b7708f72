"""The subscription and tenant that a stack is deployed to, said explicitly.

Not here: credentials. The provider takes them from its environment, the uploads likewise (`credential`).
"""

import pulumi
import pulumi_azure_native


def provider_of(subscription_id: str, tenant_id: str) -> pulumi.ProviderResource:
    """The one provider of a stack; components hand it down to their parts.

    The default provider would go wherever the last login points.
    """
    return pulumi_azure_native.Provider("azure", subscription_id=subscription_id, tenant_id=tenant_id)

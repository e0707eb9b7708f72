"""Stack configurations with one thing changed, and what is said of them."""

from typing import Any

import pytest

from settings import ConfigError
from tests.conftest import Load, small_config

PLATFORM = "mlops:platform"
MODELS = "mlops:models"


def problems(load: Load, config: dict[str, Any], **how: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(config, **how)
    return str(caught.value).splitlines()[1:]


def with_platform(**changes: Any) -> dict[str, Any]:
    """The small configuration with fields of its platform changed; a value of None leaves the field out."""
    config = small_config(**changes)
    config[PLATFORM] = {key: value for key, value in config[PLATFORM].items() if value is not None}
    return config


def with_cluster(**changes: Any) -> dict[str, Any]:
    first = {"name": "train", "vm_size": "Standard_D4ds_v5", "max_nodes": 2} | changes
    return with_platform(clusters=[{key: value for key, value in first.items() if value is not None}])


def with_model(**changes: Any) -> dict[str, Any]:
    return small_config() | {MODELS: [{"name": "late"} | changes]}

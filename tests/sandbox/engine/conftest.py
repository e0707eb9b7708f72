from pathlib import Path

import pytest

from tests.sandbox.engine.harness import Stack


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)

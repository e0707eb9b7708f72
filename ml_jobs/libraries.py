"""Imports of large libraries, without the optional halves that no step uses."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def lightgbm() -> ModuleType:
    """Imports LightGBM in 1 s instead of 5 s: without its interfaces to pandas and scikit-learn."""
    with _hidden("pandas", "sklearn"):
        import lightgbm
    return lightgbm


def mlflow() -> ModuleType:
    """Imports MLflow without pandas: 3 s instead of 5 s."""
    with _hidden("pandas"):
        import mlflow
    return mlflow


@contextmanager
def _hidden(*names: str) -> Iterator[None]:
    # None in sys.modules is Python's own way to say "not installed"; what is loaded already costs nothing more.
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]

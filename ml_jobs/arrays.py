"""Names for the arrays that pass between steps."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]  # raw fields by name, one value a row; an unknown number is nan
Numbers = NDArray[np.float64]
Matrix = NDArray[np.float32]  # features: one row a row, one column a feature

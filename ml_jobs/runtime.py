"""The exported model in ONNX Runtime, as scoring, champion comparison and the parity proof use it."""

from pathlib import Path

import numpy as np
import onnxruntime

from ml_jobs.features import Matrix

INPUT = "features"
LABEL = "label"
PROBABILITIES = "probabilities"


class Session:
    """One model with one thread: a request is small, and servers add workers rather than threads."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(self, matrix: Matrix) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Matrix]:
        """Returns label and probability of being late for each row."""
        label, probabilities = self._session.run([LABEL, PROBABILITIES], {INPUT: matrix})
        return label.astype(bool), probabilities[:, 1]

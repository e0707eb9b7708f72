"""The exported model in ONNX Runtime, as scoring, champion comparison and the parity proof use it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ml_jobs import step
from ml_jobs.arrays import Matrix
from ml_jobs.serving import request
from ml_jobs.serving.encoder import Encoder

INPUT = "features"
LABEL = "label"
PROBABILITIES = "probabilities"
LINEAGE = ("commit", "code_version", "data_version", "environment_version")


class Session:
    """One model with one thread: a request is small, and servers add workers rather than threads."""

    def __init__(self, model: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def predict(self, matrix: Matrix) -> tuple[np.ndarray[tuple[int], np.dtype[np.bool_]], Matrix]:
        """Returns label and probability of a yes for each row."""
        label, probabilities = self._session.run([LABEL, PROBABILITIES], {INPUT: matrix})
        return label.astype(bool), probabilities[:, 1]


class Model:
    """A registered model, ready to answer.

    Args:
        folder: what ``ml_jobs.export_onnx`` wrote.
    """

    def __init__(self, folder: Path) -> None:
        card = step.read_json(folder / "model_card.json")
        self._lineage = {name: card[name] for name in LINEAGE}
        self._label: str = card["label"]
        encoder = Encoder(folder)
        self._encoding = encoder.encoding
        self._session = Session(folder / "model.onnx")
        self.reader = request.Reader(step.read_json(folder / request.SCHEMA), encoder.fields, encoder.check_row)

    def answer(self, text: str) -> dict[str, Any]:
        """Returns the answer to one request; raises ``request.BadRequest``."""
        labels, probabilities = self._session.predict(self._encoding.encode(self.reader.read(text)))
        predictions = [
            {self._label: bool(label), "probability": round(float(probability), 6)}
            for label, probability in zip(labels, probabilities, strict=True)
        ]
        return {"model": self._lineage, "predictions": predictions}

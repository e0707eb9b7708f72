"""Scores the rows of one registered model in Azure's inference server, on a managed endpoint or anywhere else.

    azmlinfsrv --entry_script ml_jobs/serving/score.py --model_dir MODEL --port 5001

Started in the folder that holds ``ml_jobs/``; needs onnxruntime and numpy. ``POST /score`` takes a body as the
model's ``request.schema.json`` describes and answers
``{"model": {...}, "predictions": [{"late": false, "probability": 0.12}, ...]}`` in the request's order, with the
model's own name for its label. A request that does not keep the schema gets 400 and
``{"error": {"code": "BadRequest", "field": "flights[0].carrier", ...}}``.
"""

import os
from pathlib import Path
from typing import Any

from azureml_inference_server_http.api.aml_response import (  # type: ignore[import-not-found] # in .venv-models only
    AMLResponse,
)

from ml_jobs import step
from ml_jobs.serving import request, runtime

# The server calls init() once in each worker, then run() for each request: the model lives between the two.
_loaded: list[runtime.Model] = []


def init() -> None:
    """Loads the one model below ``AZUREML_MODEL_DIR``.

    Azure keeps the name of the folder that was registered below that path, so the card is looked for.
    """
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    cards = sorted(root.rglob("model_card.json"))
    if len(cards) != 1:
        raise step.StepError(f"AZUREML_MODEL_DIR={root}: holds {len(cards)} files model_card.json; want 1")
    _loaded[:] = [runtime.Model(cards[0].parent)]


def run(raw_data: str) -> dict[str, Any] | AMLResponse:
    """Answers one request; the server turns a dict into a JSON response."""
    try:
        return _loaded[0].answer(raw_data)
    except request.BadRequest as error:
        body = {"error": {"code": "BadRequest", "field": error.field, "message": str(error)}}
        return AMLResponse(body, 400, json_str=True)

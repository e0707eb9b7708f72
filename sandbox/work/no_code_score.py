"""The scoring script of an MLflow model that is deployed without one, run in the model's own Python.

Azure's contract for such a deployment (learn.microsoft.com, how-to-deploy-mlflow-models): ``{"input_data": ...}`` with
``{"columns": [...], "index": [...], "data": [...]}``, or with a list or named lists for a tensor; the answer is the
list of predictions. MLflow is imported by the server alone.
"""

import importlib
import json
import os
from pathlib import Path
from typing import Any

_model: Any = None


def init() -> None:
    """Load the model with MLflow."""
    global _model
    import mlflow.pyfunc

    (found,) = Path(os.environ["AZUREML_MODEL_DIR"]).rglob("MLmodel")
    _model = mlflow.pyfunc.load_model(str(found.parent))


def run(raw: str) -> Any:
    """Answer one request."""
    from mlflow.exceptions import MlflowException
    from mlflow.utils.proto_json_utils import NumpyEncoder

    try:
        asked = json.loads(raw)
        if not isinstance(asked, dict) or "input_data" not in asked:
            raise ValueError("the request has no 'input_data'")
        answer = _plain(_model.predict(_read(asked["input_data"])))
    except (MlflowException, ValueError) as error:
        server: Any = importlib.import_module("azureml_inference_server_http.api.aml_response")
        return server.AMLResponse({"message": f"{error}"}, 400, json_str=True)
    return json.loads(json.dumps(answer, cls=NumpyEncoder))


def _read(given: Any) -> Any:
    """What the model is asked about: a table, or one or more tensors."""
    codec: Any = importlib.import_module("mlflow.utils.proto_json_utils")
    schema = _model.metadata.get_input_schema()
    if isinstance(given, dict) and "columns" in given:
        return codec.dataframe_from_parsed_json(given, "split", schema)
    if isinstance(given, list) and given and isinstance(given[0], dict):
        return codec.dataframe_from_parsed_json(given, "records", schema)
    if isinstance(given, list) and schema is not None and not schema.is_tensor_spec():
        return codec.dataframe_from_parsed_json({"columns": schema.input_names(), "data": given}, "split", schema)
    return codec.parse_tf_serving_input({"inputs": given}, schema)


def _plain(result: Any) -> Any:
    if hasattr(result, "columns"):
        return result.to_dict(orient="records")
    return result.tolist() if hasattr(result, "tolist") else result

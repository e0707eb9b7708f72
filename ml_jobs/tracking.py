"""Parameters and metrics of a step, sent to MLflow when the job has a tracking server."""

import os
from collections.abc import Mapping

from ml_jobs import libraries


def log(parameters: Mapping[str, object], metrics: Mapping[str, float]) -> None:
    """Logs to the job's run, or does nothing where ``MLFLOW_TRACKING_URI`` is not set.

    Azure ML and the sandbox set the address, the run (``MLFLOW_RUN_ID``) and the token. Azure's address has the scheme
    ``azureml``, which only the plug-in ``azureml-mlflow`` knows; that one caps MLflow below the version locked here.
    The server behind it speaks MLflow's own protocol, so the same address works as ``https``.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return
    mlflow = libraries.mlflow()
    mlflow.set_tracking_uri(address.replace("azureml://", "https://", 1))
    with mlflow.start_run():
        mlflow.log_params(dict(parameters))
        mlflow.log_metrics(dict(metrics))

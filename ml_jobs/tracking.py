"""Parameters and metrics of a step, sent to MLflow when the job has a tracking server."""

import os
import sys
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from ml_jobs import libraries

# The default of seven retries keeps a job waiting for four minutes when nobody listens.
_RETRIES = "3"


def log(parameters: Mapping[str, object], metrics: Mapping[str, float]) -> None:
    """Logs to the job's run, or does nothing where ``MLFLOW_TRACKING_URI`` is not set.

    Azure ML and the sandbox set the address, the run (``MLFLOW_RUN_ID``) and the token; the run is theirs to end.
    Without a run, one is made. Azure's address has the scheme ``azureml``, which only the plug-in ``azureml-mlflow``
    knows; that one caps MLflow below the version locked here. The server behind it speaks MLflow's own protocol, so
    the same address works as ``https``.

    A server that fails is a warning: the same numbers are in the step's output, and a trained model is not thrown
    away for their copy.
    """
    address = os.environ.get("MLFLOW_TRACKING_URI", "").replace("azureml://", "https://", 1)
    if not address:
        return
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", _RETRIES)
    mlflow = libraries.mlflow()
    now = int(time.time() * 1000)
    try:
        client = mlflow.MlflowClient(address)
        given = os.environ.get("MLFLOW_RUN_ID")
        run = given or client.create_run(os.environ.get("MLFLOW_EXPERIMENT_ID", "0")).info.run_id
        client.log_batch(
            run,
            metrics=[mlflow.entities.Metric(name, float(value), now, 0) for name, value in metrics.items()],
            params=[mlflow.entities.Param(name, str(value)) for name, value in parameters.items()],
        )
        if not given:
            client.set_terminated(run)
    except mlflow.exceptions.MlflowException as error:
        password = urlsplit(address).netloc.rpartition("@")[0]
        text = str(error).partition("\n")[0].replace(f"{password}@", "")
        print(f"warning: not logged to MLFLOW_TRACKING_URI: {text[:300]}", file=sys.stderr)

"""What runs inside Azure ML: the steps that turn data into a scored model.

One step is one module and one command, ``python -m ml_jobs.<step>``, started in the folder that holds ``ml_jobs/``.
That folder is the repository here and the root of the code asset on Azure, so a step finds its siblings by the same
import in both, and the inference server starts ``ml_jobs/serving/score.py`` the same way.

Steps that every tabular model shares:

    check         data -> report of the data contract (``contract.yaml``); a failing check stops the pipeline
    evaluate      rows, model -> figures, gates against a baseline and the champion
    export_onnx   model -> the folder that is registered: ONNX, native model, encoding, schema, probes, model card
    serving       registered folder -> answers

A model is a folder here, with ``model.yaml``, its contract, pipeline and request schema, and its own steps:

    prepare       data -> rows of the training, validation and test part, and the encoding fitted on the first
    train         rows -> LightGBM model
    features      how a row becomes numbers; travels with the model

``components/*.yaml`` and each ``pipeline.yaml`` describe the same steps to Azure ML. Code asset and environment are
missing there: the stack adds both, each named by its content. ``scaffold`` writes a further model from ``template``.
"""

import os

# Threads of numpy's linear algebra wait for each other without sleeping: on a machine that others use too, a second's
# work takes twenty. With one, sums are also added in one order, so that figures do not depend on the number of cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# ONNX Runtime, on Linux from 1.29 on, keeps an id of the machine and tells Microsoft what it loads, unless it is told
# not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

"""What runs inside Azure ML: the steps that turn flight data into a scored model.

One step is one module and one command, ``python -m ml_jobs.<step>``, started in the folder that holds ``ml_jobs/``.
That folder is the repository here and the root of the code asset on Azure, so a step finds its siblings by the same
import in both, and the inference server starts ``ml_jobs/score.py`` the same way.

    snapshot      local: packaged data -> monthly parquet files, the content of the data asset
    check         data -> report of the data contract (``contract.yaml``); a failing check stops the pipeline
    prepare       data -> joined rows of the training and the held-out month, and the encoding fitted on the first
    train         rows -> LightGBM model
    evaluate      rows, model -> metrics, gates against a logistic baseline and the champion
    export_onnx   model -> the folder that is registered: ONNX, native model, encoding, model card
    score         registered folder -> answers

``components/*.yaml`` and ``pipeline.yaml`` describe the same steps to Azure ML. Code asset and environment are missing
there: the stack adds both, each named by its content.
"""

"""What happens between two applies of a stack: train, register, release, roll out, take back, look.

Each file is one command with its command line in its first lines; ``release`` is those that make a model live, in a
row. They speak to Azure through its own client libraries and read what the stack made from the JSON file of its
outputs, so the same command serves every stack.

    release       from a training run, or from the registry, to a model that answers
    submit        run a model's training pipeline, or follow the run that has the same inputs
    register      make a run's model, or one that was trained elsewhere, a version with its lineage
    smoke         ask an endpoint, or one deployment, real questions and judge the answers
    rollout       shift traffic to a deployment, step by step, with a way back
    rollback      give the traffic back, at once, until that is lifted
    abort         end a rollout that is under way
    retire        take away deployments that have cooled down
    promote       share a version into the ML registry, for another stack
    live          compare the live file with what Azure runs, or write it again

    status        endpoints with their traffic, models with where they come from, runs
    endpoint      where an endpoint is and how to call it
    versions      a model's versions, how good they are and where they are live
    lineage       from an endpoint to commit and data, from a data version to every model and deployment
    unreferenced  versions that nothing refers to

Exit codes: 0 done, 1 a check, a gate or Azure said no, 2 wrong arguments or configuration, 130 interrupted.
"""

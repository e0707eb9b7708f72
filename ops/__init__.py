"""What happens between two applies of the stack: train, register, promote, roll out, smoke-test.

Each file is one command with its command line in its first lines; ``release`` is all of them in a row. They speak to
Azure through its own client libraries and read what the stack made from the JSON file of its outputs, so the same
command serves every stack.

    submit     run the training pipeline, or follow the run that has the same inputs
    register   make the run's model a version, with its lineage
    promote    write a deployment of that version into the stack's configuration file
    rollout    shift traffic to a deployment, step by step, with a way back
    smoke      ask the endpoint real questions and judge the answers
    release    all of the above
    endpoint   where the endpoint is and how to call it

Exit codes: 0 done, 1 a check, a gate or Azure said no, 2 wrong arguments or configuration, 130 interrupted.
"""

"""Real processes behind resources: jobs and scoring servers."""

"""The scoring code of every tabular model: what belongs to one model lies in its registered folder."""

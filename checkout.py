"""The state of the repository that a stack is deployed from.

Not here: what a commit is used for. The program refuses a dirty tree, a release records the commit.
"""

import shutil
import subprocess
from pathlib import Path

# Releases write what is live while they run; nobody deploys unreviewed code through it.
_WRITTEN_BY_RELEASES = "live"


def unclean() -> str | None:
    """Says why the working directory is not the content of one commit, or None when it is."""
    git = shutil.which("git")
    if git is None:
        return "git is not installed, so the commit is unknown"
    done = subprocess.run(
        [git, "status", "--porcelain", "--untracked-files=normal", "--", ".", f":(exclude){_WRITTEN_BY_RELEASES}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path.cwd(),
    )
    if done.returncode != 0:
        return "this folder is no git repository, so the commit is unknown"
    changed = [line[3:] for line in done.stdout.splitlines()]
    few = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    return f"{few} not committed" if changed else None

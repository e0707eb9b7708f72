"""U3, U9: every trouble is told at once, before anything is made; the doctor says the same, fast, without secrets."""

import subprocess
import sys
import time

import pytest

from sandbox.constants import OBJECT_ID, SUBSCRIPTION_ID, TENANT_ID
from tests.robustness.conftest import Done, Forks, Place, clean

# In namespaces of its own: a small, full, read-only disk, little memory, a loopback that is down.
PLANTED = """
set -e
mount -t tmpfs -o size=4m tmpfs "$1"
printf 'no database, whatever its name says' > "$1/state.db"
mount -o remount,ro "$1"
printf 'MemTotal: 500000 kB\\nMemAvailable: 102400 kB\\n' > meminfo
mount --bind meminfo /proc/meminfo
shift
exec "$@"
"""
FAULTS = (
    ("packages", "no-such-package missing (want 1.0); run: make install"),
    ("folder", "no folder that can be written: set SANDBOX_HOME to one"),
    ("disk", "want 512: free some, or set SANDBOX_HOME"),
    ("memory", "100 MiB available; want 1024: end other programs"),
    ("loopback", "127.0.0.1 cannot be served (Network is unreachable): allow loopback sockets"),
    ("state", "state.db: damaged (it has 35 bytes). Restore the last good copy with: "),
)
MISTAKES = ('small:identities: "many" is a string; want integer', "small:owner: missing; want string")


def can_plant() -> bool:
    """Whether this machine lets us make namespaces."""
    command = ["unshare", "--mount", "--net", "--propagation", "private", "mount", "-t", "tmpfs", "x", "/mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def planted(place: Place) -> Place:
    """A place with eight faults, for commands that :func:`run_planted` runs."""
    if not can_plant():
        pytest.skip("this machine permits no namespaces: its faults cannot be planted")
    place.configure("dev", identities="many")
    config = place.folder / "Pulumi.dev.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace('  small:owner: "me@example.com"\n', ""))
    (place.folder / "requirements.lock").write_text("no-such-package==1.0 \\\n    --hash=x\n", encoding="utf-8")
    return place


def run_planted(place: Place, *arguments: str) -> Done:
    """Run the command where the faults are."""
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", PLANTED, "sh", str(place.home.root),
         sys.executable, "-m", "sandbox", *arguments],
        cwd=place.folder, env=clean(place.home), text=True, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("verb", ["up", "preview"])
def test_eight_faults_in_one_run(planted: Place, verb: str) -> None:
    done = run_planted(planted, verb)
    told = done.err.splitlines()
    out = [line for line in done.out.splitlines() if not line.startswith("note: jobs: ")]  # no namespaces in namespaces
    assert (done.code, out, len(told)) == (1, [], 8), done.said
    for (name, text), line in zip(FAULTS, told, strict=False):
        assert line.startswith(f"error: {name}: ")
        assert text in line
    for mistake in MISTAKES:
        assert any(mistake in line for line in told)
    assert [path.name for path in planted.home.root.iterdir()] == ["cache"], "nothing was made"


def test_the_doctor_names_each(planted: Place) -> None:
    begun = time.monotonic()
    done = run_planted(planted, "doctor")
    assert time.monotonic() - begun < 5
    assert done.code == 1
    failed = {line.split()[1]: line for line in done.out.splitlines() if line.startswith("FAIL")}
    assert failed.keys() == {name for name, _ in FAULTS}
    for name, text in FAULTS:
        assert text in failed[name]


def test_the_doctor_of_a_sound_machine(place: Place, forks: Forks) -> None:
    assert forks.run(place, "up").code == 0
    begun = time.monotonic()
    done = place.run("doctor")
    assert time.monotonic() - begun < 5
    assert (done.code, done.err) == (0, "")
    assert {line.split()[0] for line in done.out.splitlines()} == {"ok"}
    private = [place.home.secret.read_text(encoding="utf-8").strip(), SUBSCRIPTION_ID, TENANT_ID, OBJECT_ID]
    for path in place.home.authority.glob("*.pem"):
        private += [line for line in path.read_text(encoding="ascii").splitlines() if len(line) == 64]
    for value in private:
        assert value not in done.out

"""What is live: written by releases in one step, read strictly, and never an old name for other content."""

import errno
import os
import threading
from pathlib import Path

import pytest

from live_file import LiveFile, LiveFileError, LiveTraining, deployment_name, live_deployment
from tests.conftest import make_live

ONE = live_deployment(
    model="late:1",
    code="late-serving:0123456789ab",
    environment="serve:0123456789ab",
    script="ml_jobs/late/score.py",
    instance_type="Standard_D2as_v4",
    instance_count=1,
)
TRAINED = LiveTraining(pipeline="late_training:1", data="late-data:1", environment="train:1", inputs={"seed": 7})
TWO = live_deployment(
    model="azureml://registries/mlr-mlops/models/late/versions/2",
    code=None,
    environment=None,
    script=None,
    instance_type="Standard_D2as_v4",
    instance_count=2,
)
HALF = live_deployment(
    model="late:1",
    code="late-serving:0123456789ab",
    environment=None,
    script=None,
    instance_type="Standard_D2as_v4",
    instance_count=1,
)


def test_a_missing_file_means_that_nothing_is_live(project: Path) -> None:
    assert LiveFile.read("test").of("late") == ()


def test_what_is_written_is_read(project: Path) -> None:
    LiveFile.read("test").having("late", (ONE, TWO)).having("rain", (ONE,)).write()
    found = LiveFile.read("test")
    assert (found.of("late"), found.of("rain")) == ((ONE, TWO), (ONE,))
    assert found.path == Path("live/test.yaml")
    assert found.path.stat().st_mode & 0o777 == 0o644, "a pipeline under another user reads it too"
    assert found.path.read_text().startswith(
        "# Written by releases (python -m ops.release). What is live in stack test"
    )
    found.having("late", ()).write()
    assert LiveFile.read("test").models == {"rain": (ONE,)}


def test_what_a_version_was_trained_with_is_kept_and_names_nothing(project: Path) -> None:
    parts = {key: value for key, value in vars(ONE).items() if key not in ("name", "trained")}
    known = live_deployment(**parts, trained=TRAINED)
    assert known.name == ONE.name
    LiveFile.read("test").having("late", (known,)).write()
    (found,) = LiveFile.read("test").of("late")
    assert found.trained == TRAINED
    text = Path("live/test.yaml").read_text()
    Path("live/test.yaml").write_text(text.replace("data: late-data:1", "dat: late-data:1"))
    with pytest.raises(LiveFileError, match=r"late\[0\].trained.dat: unknown field, did you mean data\?"):
        LiveFile.read("test")


def test_the_environment_says_where_the_files_are(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_LIVE", str(project / "elsewhere"))
    LiveFile.read("test").having("late", (ONE,)).write()
    assert (project / "elsewhere" / "test.yaml").is_file()


def test_without_room_the_file_stays_as_it_was(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = LiveFile.read("test").having("late", (ONE,))
    file.write()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LiveFileError, match=r"live/test\.yaml.*No space left on device; \d+ bytes are needed"):
        file.having("late", (ONE, TWO)).write()
    assert LiveFile.read("test").of("late") == (ONE,)
    assert [path.name for path in Path("live").iterdir()] == ["test.yaml"]


def test_a_reader_never_sees_half_a_file(project: Path) -> None:
    file = LiveFile.read("test").having("late", (ONE, TWO))
    file.write()
    done = threading.Event()

    def rewrite() -> None:
        for _ in range(50):
            file.write()
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not done.is_set():
        assert LiveFile.read("test").of("late") == (ONE, TWO)
    writer.join()
    assert [path.name for path in Path("live").iterdir()] == ["test.yaml"]


def test_a_name_says_the_version_and_stands_for_the_rest() -> None:
    assert ONE.name.startswith("v1-")
    assert TWO.name.startswith("v2-")
    parts = {
        "model": "late:1",
        "code": "c:1",
        "environment": "e:1",
        "script": "s.py",
        "instance_type": "Standard_D2as_v4",
    }
    names = {deployment_name(**(parts | {key: f"{value}x"})) for key, value in parts.items()}
    assert len(names | {deployment_name(**parts)}) == 6
    assert len(deployment_name(**(parts | {"model": "late:" + "9" * 60}))) <= 32


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- late\n", "is not a set of models"),
        ("late:\n  - {name: v1-000000}\n", "live/test.yaml:2: late[0].model: missing"),
        (
            f"late:\n  - name: {ONE.name}\n    model: late:1\n    instance_type: Standard_D2as_v4\n",
            f"live/test.yaml:2: late[0].name: '{ONE.name}' is made of other parts than it was",
        ),
        (
            f"late:\n  - {{name: {HALF.name}, model: late:1, code: {HALF.code}, instance_type: Standard_D2as_v4}}\n",
            "live/test.yaml:2: late[0]: code without a script, or a script without code; accepted: both, or neither",
        ),
        ("late: [\n", "not YAML"),
        ("late:\n  - {name: v1-0, modl: 'late:1'}\n", "late[0].modl: unknown field, did you mean model?"),
        ("late: []\nlate: []\n", "live/test.yaml:2: late: stands twice, first in line 1"),
    ],
)
def test_what_no_release_wrote_is_refused(project: Path, text: str, said: str) -> None:
    make_live(project, "test", text)
    with pytest.raises(LiveFileError) as caught:
        LiveFile.read("test")
    assert said in str(caught.value)
    assert "repair: " in str(caught.value)

"""The helper pod on the real cluster: who may have one, where it goes, and that it is never left behind."""

import json
import uuid
from pathlib import Path

import pytest

from tests.cluster.shell import wait_until
from tests.integration.client.place import CLAIM, Place
from trainingrun_api import names
from trainingrun_client.errors import ForbiddenError, NotFoundError, TransferError
from trainingrun_client.files import Silent, Volume, create_claim, helper_pod
from trainingrun_client.files.commands import Command
from trainingrun_client.run import TrainingRun

pytestmark = pytest.mark.cluster


class Told(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("lacking", ["pods", "pods/exec"])
def test_a_user_who_may_not_is_told_what_is_missing(place: Place, tmp_path: Path, lacking: str) -> None:
    user = f"user-{uuid.uuid4().hex[:6]}"
    granted = ",".join({"pods", "pods/exec", "persistentvolumeclaims"} - {lacking})
    place.runs.kubectl("create", "serviceaccount", user)
    place.runs.kubectl("create", "role", user, "--verb=get,create,delete,list", f"--resource={granted}")
    place.runs.kubectl(
        "create", "rolebinding", user, f"--role={user}", f"--serviceaccount={place.runs.namespace}:{user}"
    )
    config = json.loads(place.runs.kubectl("config", "view", "--raw", "-o", "json"))
    config["users"][0]["user"] = {"token": place.runs.kubectl("create", "token", user).strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    words = f'cannot .* "{lacking}".*takes the permissions to create'
    told = Told()
    with (
        pytest.raises(ForbiddenError, match=words),
        place.volume(tmp_path / "kubeconfig", progress=told) as volume,
    ):
        volume.ls()
    assert not [text for text in told.said if "deleted" in text], "nothing is left that could be"
    wait_until("no pod", lambda: place.helpers() == [], seconds=20)


def test_why_no_pod_starts_is_told(place: Place) -> None:
    connection = place.connection()
    create_claim(connection, place.runs.namespace, "unbound", "1Gi", storage_class="none")
    cases = [
        (Volume(connection, "unbound", image=place.image, timeout=3), TransferError, "PersistentVolumeClaim"),
        (Volume(connection, CLAIM, image="localhost:1/none:1", timeout=5), TransferError, "Image"),
        (Volume(connection, "missing", image=place.image), NotFoundError, '"missing" not found'),
    ]
    for volume, kind, words in cases:
        with pytest.raises(kind, match=words), volume:
            pass
    assert place.helpers() == []


def test_the_pod_goes_where_the_claim_is(place: Place, tmp_path: Path) -> None:
    create_claim(place.connection(), place.runs.namespace, "single", "1Gi")
    with Volume(place.connection(), "single", image=place.image) as volume:
        (first,) = place.helpers()
        with Volume(place.connection(), "single", image=place.image):
            assert [pod["spec"]["nodeName"] for pod in place.helpers()] == [first["spec"]["nodeName"]] * 2
        assert volume.ls() == []
    assert first["spec"].get("affinity") is None


def test_the_image_and_the_nodes_are_those_of_the_newest_run(place: Place) -> None:
    template = {
        "restartPolicy": "Never",
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "containers": [{"name": names.CONTAINER_NAME, "image": place.image, "command": ["true"]}],
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "own", "labels": {names.RUN_LABEL: "own", names.UID_LABEL: "uid"}},
        "spec": {"suspend": True, "template": {"spec": template}},
    }
    place.runs.apply(job)
    own = TrainingRun({"metadata": {"name": "own", "uid": "uid"}, "spec": {}})
    for run, tolerated in ((None, False), (own, True)):
        with Volume(place.connection(), CLAIM, run=run):
            (pod,) = place.helpers()
            assert pod["spec"]["containers"][0]["image"] == place.image
            assert any(each.get("key") == "gpu" for each in pod["spec"]["tolerations"]) is tolerated
    place.runs.kubectl("delete", "job", "own")


def test_a_forgotten_pod_ends_by_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_pod, "IDLE_SECONDS", 4)
    monkeypatch.setattr(helper_pod, "SAMPLE_SECONDS", 1)
    with place.volume() as volume:
        volume._shell.ask(Command("sleep 8"), ["."])
        (pod,) = place.helpers()
        assert pod["status"]["phase"] == "Running", "a command was at work"
        wait_until("its end", lambda: place.helpers()[0]["status"]["phase"] == "Succeeded", seconds=30)
        with pytest.raises(TransferError, match=r"has ended \(Succeeded\)"):
            volume.ls()

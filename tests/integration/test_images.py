"""The images as they are built on this machine."""

import pytest

from tests.cluster import Cluster
from tests.cluster.images import BASE, build, sizes

MEGABYTE = 10**6

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]  # a cold build of the trainer takes minutes


@pytest.fixture(scope="module")
def built(cluster: Cluster) -> dict[str, int]:
    """Bytes of each image. Where a cluster runs, there is what builds images too."""
    return sizes()


@pytest.mark.parametrize("image", ["operator", "console"])
def test_what_trains_nothing_adds_less_than_200_mb_to_its_base(built: dict[str, int], image: str) -> None:
    assert 0 < built[image] - built[BASE] < 200 * MEGABYTE


def test_an_image_that_exists_is_not_built_again(
    built: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert build("operator") == build("operator")
    assert "building" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("image", "program"),
    [
        ("operator", "trainingrun-operator"),
        ("trainer", "trainingrun-launch"),
        ("console", "trainingrun-console"),
    ],
)
def test_images_start_as_a_user_without_rights(
    cluster: Cluster, built: dict[str, int], image: str, program: str
) -> None:
    script = f"id -u && command -v {program} && python -c 'import trainingrun_api'"
    printed = run_in_pod(cluster, f"image-{image}", image, script)
    assert printed.split() == ["1000", f"/opt/trainingrun/bin/{program}"]


def test_torch_compile_works_in_the_trainer(cluster: Cluster, built: dict[str, int]) -> None:
    program = "import torch; print(torch.compile(lambda x: x.cos() + 1)(torch.zeros(2)).tolist())"
    printed = run_in_pod(cluster, "image-compiles", "trainer", f"python -c '{program}'")
    assert "[2.0, 2.0]" in printed.splitlines()


def run_in_pod(cluster: Cluster, pod: str, image: str, script: str) -> str:
    """What a shell script prints in a new pod of one of the images."""
    try:
        cluster.kubectl(
            "run", pod, f"--image={cluster.load_image(build(image))}", "--restart=Never", "--",
            "sh", "-ec", script,
        )  # fmt: skip
        cluster.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=600s")
        return cluster.kubectl("logs", pod)
    finally:
        cluster.kubectl("delete", "pod", pod, "--ignore-not-found", "--wait=false")

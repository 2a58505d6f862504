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


def test_the_operator_adds_less_than_200_mb_to_its_base(built: dict[str, int]) -> None:
    assert 0 < built["operator"] - built[BASE] < 200 * MEGABYTE


def test_an_image_that_exists_is_not_built_again(
    built: dict[str, int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert build("operator") == build("operator")
    assert "building" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("image", "program"), [("operator", "trainingrun-operator"), ("trainer", "trainingrun-launch")]
)
def test_images_start_as_a_user_without_rights(
    cluster: Cluster, built: dict[str, int], image: str, program: str
) -> None:
    pod = f"image-{image}"
    script = f"id -u && command -v {program} && python -c 'import trainingrun_api'"
    try:
        cluster.kubectl(
            "run", pod, f"--image={cluster.load_image(build(image))}", "--restart=Never", "--",
            "sh", "-ec", script,
        )  # fmt: skip
        cluster.kubectl("wait", f"pod/{pod}", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=600s")
        assert cluster.kubectl("logs", pod).split() == ["1000", f"/opt/trainingrun/bin/{program}"]
    finally:
        cluster.kubectl("delete", "pod", pod, "--ignore-not-found", "--wait=false")

"""`make chart-readme`: the chart's README, of its template and the comments in values.yaml, by helm-docs.

https://github.com/norwoodj/helm-docs.
"""

from tests.cluster.api import TREE
from tests.cluster.shell import run
from tests.helpers.go_tool import go_tool

CHART = TREE / "charts" / "trainingrun-operator"
TOOLS = TREE / "tests" / "integration" / "chart" / "tools"
HELM_DOCS = "github.com/norwoodj/helm-docs/cmd/helm-docs"


def readme() -> str:
    """As it should be. Raises ClusterError."""
    command = [
        str(go_tool(TOOLS, HELM_DOCS)),
        "--chart-search-root",
        str(CHART),
        "--dry-run",
        "--log-level",
        "warning",
    ]
    return run(command).rstrip() + "\n"


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme(), encoding="utf-8")

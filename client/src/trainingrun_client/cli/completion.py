"""`kubectl_complete-trainingrun`: completions as kubectl asks a plugin for them.

kubectl runs it with the words of the line, the last of them incomplete, and reads one completion a line and a
directive at the end (k8s.io/kubectl, pkg/cmd/plugin: plugin_completion.go).
"""

import io
import os
import sys
from contextlib import redirect_stdout, suppress

PROGRAM = "kubectl-trainingrun"
VARIABLE = "_KUBECTL_TRAININGRUN_COMPLETE"
NO_FILES = ":4"
"""ShellCompDirectiveNoFileComp."""


def main() -> None:
    """Print what the last word could become."""
    words = sys.argv[1:] or [""]
    os.environ |= {
        VARIABLE: "complete_bash",
        "COMP_WORDS": " ".join([PROGRAM, *words]),
        "COMP_CWORD": str(len(words)),
    }
    from trainingrun_client.cli.app import app

    printed = io.StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        app(prog_name=PROGRAM)
    sys.stdout.write("".join(f"{line}\n" for line in [*printed.getvalue().split(), NO_FILES]))


if __name__ == "__main__":
    main()

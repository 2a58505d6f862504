"""Write one of the samples."""

import argparse
from pathlib import Path

from trainingrun_trainer.samples import SAMPLES


def main() -> None:
    """Write the sample that the command line names."""
    parser = argparse.ArgumentParser(
        prog="trainingrun_trainer.samples", description="Write a sample data set."
    )
    parser.add_argument("sample", choices=sorted(SAMPLES))
    parser.add_argument("--out", type=Path, required=True, help="ZIP file to write")
    options = parser.parse_args()
    SAMPLES[options.sample](options.out)


if __name__ == "__main__":
    main()

"""Sample data: `python -m trainingrun_trainer.samples NAME --out FILE.zip`.

One file for each kind of data; `SAMPLES` lists them all. They stand in for data that cannot be shipped.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from trainingrun_trainer.samples.classified import digits, write_zip, xray
from trainingrun_trainer.samples.defects import write_defects
from trainingrun_trainer.samples.parts import write_parts
from trainingrun_trainer.samples.volumes import write_liver

__all__ = ["SAMPLES", "digits", "write_zip", "xray"]

SAMPLES: Mapping[str, Callable[[Path], None]] = {
    "digits": lambda path: write_zip(digits(), path),
    "xray": lambda path: write_zip(xray(), path),
    "defects": write_defects,
    "parts": write_parts,
    "liver": write_liver,
}
"""By name, what writes the sample's ZIP to a path."""

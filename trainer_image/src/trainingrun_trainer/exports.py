"""Forms of the best model that need none of this code: ONNX, torch.export and TorchScript.

Each takes raw pixels, holds the normalization, and gives what the task predicts. Each is read back and
compared with the model before it is kept; one that a network does not support is left out, with the reason.
"""

import copy
import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

TOLERANCE = 1e-4
"""Greatest difference to the model: absolute up to 1, relative beyond."""
INPUT = "images"

Outputs = tuple[torch.Tensor, ...]
Run = Callable[[torch.Tensor], Outputs]


@dataclass(frozen=True)
class Exportable:
    """A network as other programs use it."""

    network: nn.Module
    """Maps a tensor to a tensor or a tuple of some."""
    sizes: Mapping[int, str]
    """Dimensions of the input that may have any size, and their names."""
    outputs: Mapping[str, str]
    """Names and meanings."""


@dataclass(frozen=True)
class Export:
    """A verified form."""

    file: str
    content: bytes
    difference: float
    """Greatest to the model."""


class NotEqual(Exception):  # noqa: N818 - the reason why an export is left out
    """An export computes something else than the model."""


def export(form: str, exportable: Exportable, inputs: Sequence[torch.Tensor]) -> Export:
    """Make one form, read it back and compare.

    Args:
        form: one of FORMATS.
        exportable: the network.
        inputs: the form is made with the first and compared on all; of several sizes, because it may have
            kept those of the first.

    Raises:
        NotEqual: it differs from the model by more than TOLERANCE.
        Exception: whatever the exporter raises for a network that it does not support.
    """
    file, write, read = FORMATS[form]
    # without what torch.compile put into it; and exporters may leave traces
    network = copy.deepcopy(exportable.network).cpu().eval()
    # torch.export prints the whole graph where it fails
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        content = write(network, inputs[0], exportable)
        run = read(content)
        difference = max(_difference(_run(network)(each), run(each)) for each in inputs)
    return Export(file, content, difference)


def describe(
    exportable: Exportable, example: torch.Tensor, exports: Mapping[str, Export], classes: Sequence[str]
) -> dict[str, Any]:
    """What export.json says beside the files."""
    shape = [exportable.sizes.get(dimension, size) for dimension, size in enumerate(example.shape)]
    return {
        "input": {"name": INPUT, "shape": shape, "dtype": str(example.dtype).removeprefix("torch.")},
        "outputs": [{"name": name, "meaning": meaning} for name, meaning in exportable.outputs.items()],
        "classes": list(classes),
        "tolerance": TOLERANCE,
        "files": {
            form: {"file": each.file, "greatest_difference": each.difference}
            for form, each in exports.items()
        },
    }


def _run(network: Callable[[torch.Tensor], Any]) -> Run:
    def run(images: torch.Tensor) -> Outputs:
        outputs = network(images)
        return (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)

    return run


def _difference(expected: Outputs, found: Outputs) -> float:
    differences = [0.0]
    for one, other in zip(expected, found, strict=True):
        if one.shape != other.shape:
            raise NotEqual(f"gives {tuple(other.shape)} where the model gives {tuple(one.shape)}")
        one, other = one.double(), other.double()
        difference = (one - other).abs()
        if not bool((difference <= TOLERANCE * one.abs().clamp(min=1)).all()):
            raise NotEqual(f"differs from the model by {float(difference.max()):.3g}")
        differences += [float(difference.max())] if difference.numel() else []
    return max(differences)


def _write_onnx(network: nn.Module, example: torch.Tensor, exportable: Exportable) -> bytes:
    names: dict[str, Any] = {"input_names": [INPUT], "output_names": list(exportable.outputs)}
    if _is_batched(exportable):
        dynamic = _dynamic(exportable)
        program = torch.onnx.export(
            network, (example,), dynamo=True, dynamic_shapes=dynamic, verbose=False, **names
        )
        assert program is not None
        return bytes(program.model_proto.SerializeToString())
    # torchvision's detectors: https://github.com/pytorch/vision/issues/9462
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        axes = {INPUT: dict(exportable.sizes)}
        torch.onnx.export(network, (example,), file.name, dynamo=False, dynamic_axes=axes, **names)
        return Path(file.name).read_bytes()


def _read_onnx(content: bytes) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda images: tuple(
        torch.from_numpy(output) for output in session.run(None, {INPUT: images.numpy()})
    )


def _write_torch_export(network: nn.Module, example: torch.Tensor, exportable: Exportable) -> bytes:
    # refuses torchvision's detectors: https://github.com/pytorch/pytorch/issues/118884
    file = io.BytesIO()
    torch.export.save(torch.export.export(network, (example,), dynamic_shapes=_dynamic(exportable)), file)
    return file.getvalue()


def _read_torch_export(content: bytes) -> Run:
    return _run(torch.export.load(io.BytesIO(content)).module())


def _is_batched(exportable: Exportable) -> bool:
    return 0 in exportable.sizes


def _dynamic(exportable: Exportable) -> tuple[dict[int, Any]]:
    return ({dimension: torch.export.Dim(name, min=1) for dimension, name in exportable.sizes.items()},)


def _write_torchscript(network: nn.Module, example: torch.Tensor, exportable: Exportable) -> bytes:
    file = io.BytesIO()
    torch.jit.save(torch.jit.trace(network, (example,)), file)  # type: ignore[no-untyped-call]
    return file.getvalue()


def _read_torchscript(content: bytes) -> Run:
    return _run(torch.jit.load(io.BytesIO(content)))  # type: ignore[no-untyped-call]


Write = Callable[[nn.Module, torch.Tensor, Exportable], bytes]
FORMATS: Mapping[str, tuple[str, Write, Callable[[bytes], Run]]] = {
    "onnx": ("model.onnx", _write_onnx, _read_onnx),
    "torch-export": ("model.pt2", _write_torch_export, _read_torch_export),
    "torchscript": ("model.torchscript", _write_torchscript, _read_torchscript),
}
"""File, writer and reader of each form."""

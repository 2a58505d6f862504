"""`training.metrics`, `.artifacts`, `.export`, `.database`: what is measured and what is left behind."""

from typing import Annotated, Literal

from pydantic import Field

from trainingrun_api.fields import ObjectName
from trainingrun_api.model import ApiModel, Matches

ImportPath = Annotated[
    str,
    Field(max_length=256),
    Matches(
        r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$",
        "must be an import path in the image, such as my_package.metrics:Specificity",
    ),
]
SecretKey = Annotated[
    str,
    Field(max_length=253),
    Matches(
        r"^[-._a-zA-Z0-9]+$", 'must be a key of a Secret: letters, digits, "-", "_" and ".", such as url'
    ),
]
ContextId = Annotated[str, Field(min_length=1, max_length=128)]


class MetricsConfig(ApiModel):
    """What is measured beside the task's own metrics."""

    boundary_tolerance: float = Field(
        2.0, ge=0, le=100, description="Pixels by which boundaries may differ in segmentation's boundary_f1."
    )
    custom: list[ImportPath] = Field(
        [],
        max_length=16,
        description="Metrics of torchmetrics' interface in the image, as module:callable. Called without "
        "arguments, updated with (predictions, targets) of validation and test; each appears under the "
        "callable's name in snake_case.",
    )


class ArtifactsConfig(ApiModel):
    """What is left behind for people."""

    tensorboard: bool = Field(True, description="Write TensorBoard's event files below logs/.")
    report: bool = Field(True, description="Write plots, sample predictions and report.html.")
    sample_predictions: int = Field(
        8, ge=0, le=256, description="Validation samples that are shown with their predictions."
    )
    save_top_k: int = Field(
        1,
        ge=1,
        le=20,
        description="Best epochs, by `monitor`, whose checkpoints are kept: the first as best.ckpt, and "
        "above 1 each as epoch-<n>.ckpt.",
    )


class ExportConfig(ApiModel):
    """Forms of the best model beside its weights."""

    formats: list[Literal["onnx", "torch-export", "torchscript"]] = Field(
        [],
        max_length=3,
        description="Each is verified against the model before it is kept. One that a network does not "
        "support is left out with a warning.",
    )


class DatabaseConfig(ApiModel):
    """The tables run and run_metrics: SQLite in the run directory, or a PostgreSQL."""

    secret_name: ObjectName | None = Field(
        None,
        description="Secret with the URL of a database, such as postgresql://user:password@host/name. "
        "Default: SQLite in the run directory.",
    )
    secret_key: SecretKey = Field("url", description="Key of the URL in the Secret.")
    client_id: ContextId | None = Field(
        None, description="Client of a federated round; goes into the tables."
    )
    round_id: int | None = Field(
        None, ge=0, le=1_000_000_000, description="Federated round; goes into the tables."
    )

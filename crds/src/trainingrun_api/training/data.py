"""`training.data`: where the samples are, how they are split, and how they are fed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from trainingrun_api.fields import AbsolutePath, SubPath
from trainingrun_api.model import ApiModel, Rule

ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
ClassName = Annotated[str, Field(min_length=1, max_length=128)]
PatchSide = Annotated[int, Field(ge=8, le=1024)]
Format = Literal["zip", "directory", "split-files", "dataset-json", "coco", "yolo"]
IMAGE_SIZE = 224
BATCH_SIZE = 32


class ArchiveLimits(ApiModel):
    """What a ZIP may hold before it is refused as a decompression bomb."""

    max_members: int = Field(1_000_000, ge=1, description="Most files in the archive.")
    max_gibibytes: int = Field(200, ge=1, description="Most GiB of extracted data.")
    max_ratio: int = Field(
        200, ge=1, description="Largest ratio of extracted to compressed size of one file."
    )


class DataConfig(ApiModel):
    """Where the images and labels are, how they are split, and how they are fed."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.validationSplit + self.testSplit < 1.0",
            "data.validationSplit + data.testSplit must stay below 1: lower one of them so that training "
            "images remain",
            ".validationSplit",
            lambda data: data.validation_split + data.test_split < 1,
        ),
        Rule(
            "self.imageColumn != self.labelColumn && self.imageColumn != self.splitColumn && "
            "self.labelColumn != self.splitColumn",
            "data.imageColumn, data.labelColumn and data.splitColumn must be three different columns: "
            "rename one",
            ".labelColumn",
            lambda data: len({data.image_column, data.label_column, data.split_column}) == 3,
        ),
        Rule(
            "!has(self.intensityWindow) || self.intensityWindow[0] < self.intensityWindow[1]",
            "data.intensityWindow must rise: write the lower bound first, such as [-200, 250]",
            ".intensityWindow",
            lambda data: data.intensity_window is None or data.intensity_window[0] < data.intensity_window[1],
        ),
        Rule(
            "!has(self.patchSize) || self.dimensions == 3",
            "data.patchSize is for volumes: set data.dimensions to 3, or remove patchSize",
            ".patchSize",
            lambda data: data.patch_size is None or data.dimensions == 3,
        ),
        Rule(
            "!self.persistentWorkers || !has(self.numWorkers) || self.numWorkers > 0",
            "data.persistentWorkers needs loader processes: set data.numWorkers above 0, or "
            "persistentWorkers to false",
            ".persistentWorkers",
            lambda data: not data.persistent_workers or data.num_workers != 0,
        ),
    )

    format: Format = Field(
        description="zip and directory: metadata.csv with images/ and, for segmentation, masks/. "
        "split-files: train.txt, val.txt and perhaps test.txt with imagesDirectory and masksDirectory. "
        "dataset-json: one dataset.json with the split of each image. coco: annotations of boxes, polygons "
        "or RLE. yolo: text files of boxes or polygons. All but directory may lie in a ZIP.",
    )
    path: AbsolutePath = Field(description="Absolute path inside the pod, below a mounted volume.")
    dimensions: Literal[2, 3] = Field(
        2, description="2: images. 3: volumes as NIfTI or npy, for semantic segmentation."
    )
    images_directory: SubPath = Field("images", description="Directory of the images, below path.")
    masks_directory: SubPath = Field("masks", description="Directory of the masks, below path.")
    splits_directory: SubPath | None = Field(
        None, description="Directory of train.txt, val.txt and test.txt, below path. Default: path itself."
    )
    mask_column: ColumnName = Field(
        "mask",
        description="Column of metadata.csv that names the file below masks/. Where there is no such column, "
        "masks have the names of their images.",
    )
    split_index: int = Field(
        0, ge=0, le=1000, description="Which of the splits that each image of dataset.json lists."
    )
    class_names: list[ClassName] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="Names of the labels 0, 1, ... in masks, background first. Default: from the data.",
    )
    target_label: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Segment this label alone, against all others as background. Predictions bear it again.",
    )
    ignore_label: int | None = Field(
        None, ge=0, le=65535, description="Pixels of this label count in no loss and no metric."
    )
    patch_size: list[PatchSide] | None = Field(
        None,
        min_length=3,
        max_length=3,
        description="Voxels of the patches that volumes are trained in: depth, height, width. Default: 96 "
        "each.",
    )
    intensity_window: list[float] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="Intensities of volumes that become 0 and 1, such as [-200, 250] Hounsfield units; what "
        "is beyond is cut. Default: the least and the greatest of each volume.",
    )
    image_column: ColumnName = Field(
        "filename", description="Column of metadata.csv that names the file below images/."
    )
    label_column: ColumnName = Field("label", description="Column of metadata.csv that holds the class.")
    split_column: ColumnName = Field(
        "split",
        description="Column that assigns train, val or test. Where metadata.csv has no such column, the "
        "split is stratified by class.",
    )
    validation_split: float = Field(
        0.2, gt=0, lt=1, description="Share of images for validation, where no split is given."
    )
    test_split: float = Field(
        0.0, ge=0, lt=1, description="Share of images for the test set, where no split is given."
    )
    image_size: int = Field(
        default_factory=lambda: IMAGE_SIZE,
        ge=8,
        le=4096,
        description="Side in pixels to which images are resized. Default: 224, and 512 for segmentation and "
        "detection.",
    )
    channels: Literal[1, 3] = Field(3, description="Colour channels that images are read as.")
    normalization: Literal["imagenet", "unit"] = Field(
        "imagenet", description="imagenet: ImageNet's mean and standard deviation. unit: values in [0, 1]."
    )
    batch_size: int = Field(
        default_factory=lambda: BATCH_SIZE,
        ge=1,
        le=65536,
        description="Samples in a batch of one process. Default: 32 for classification, 8 for segmentation, "
        "1 for volumes, 4 for detection.",
    )
    num_workers: int | None = Field(
        None,
        ge=0,
        le=256,
        description="Loader processes of each training process. Default: from the CPU limit.",
    )
    pin_memory: bool = Field(True, description="Page-locked host memory for faster copies to a GPU.")
    persistent_workers: bool = Field(False, description="Keep loader processes between epochs.")
    prefetch_factor: int = Field(
        2, ge=1, le=64, description="Batches that each loader process prepares ahead."
    )
    limits: ArchiveLimits = Field(ArchiveLimits(), description="Bounds of a ZIP.")

"""The objects of dataset.json, in the form of `Annotations`."""

from pathlib import Path

from pydantic import ValidationError

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data import coco, dataset_json, splits
from trainingrun_trainer.data.folder import find_all
from trainingrun_trainer.data.instances import AnnotatedImage, Annotations, Instance
from trainingrun_trainer.data.metadata import sort_classes
from trainingrun_trainer.data.problems import Problems
from trainingrun_trainer.errors import BadData


def read(source: Path, config: DataConfig, seed: int, *, masks: bool) -> Annotations:
    """Read the images that dataset.json assigns to a split, and their annotations.

    Raises:
        BadData: the file is missing or wrong, or has no annotations; names the first problems.
    """
    dataset = dataset_json.read(source, config)
    occurring = {annotation.label for entry in dataset.entries for annotation in entry.annotations}
    classes = dataset.classes or sort_classes(occurring)
    if not classes:
        raise BadData(f"no image of {dataset_json.FILE} has annotations", dataset_json.ADVICE)
    labels = {name: label for label, name in enumerate(classes)}
    problems = Problems()

    def instances(entry: dataset_json.Entry) -> list[Instance]:
        found = []
        for index, annotation in enumerate(entry.annotations):
            where = f"annotations[{index}] of {entry.where}"
            try:
                segmentation = coco.SEGMENTATION.validate_python(annotation.segmentation)
                found.append(
                    coco.instance(
                        labels[annotation.label],
                        annotation.bbox,
                        segmentation,
                        where,
                        crowd=annotation.iscrowd,
                        masks=masks,
                    )
                )
            except ValidationError:
                problems.add(f"{where} has a segmentation that is neither polygons nor an RLE of COCO")
            except ValueError as error:
                problems.add(f"{where} {error}")
        return found

    names = [entry.file for entry in dataset.entries]
    where = [f"{entry.where} ({entry.file})" for entry in dataset.entries]
    paths = find_all(source / config.images_directory, names, where)
    images = tuple(
        AnnotatedImage(path, place, tuple(instances(entry)), entry.size)
        for path, place, entry in zip(paths, where, dataset.entries, strict=True)
    )
    problems.check(dataset_json.ADVICE)
    assigned = splits.assigned([entry.split for entry in dataset.entries], config, seed)
    return Annotations(tuple(classes), images, assigned, dataset.digest)

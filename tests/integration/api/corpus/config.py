"""The built-in trainer's config."""

from tests.integration.api.corpus.objects import Invalid

_COMMON = [
    Invalid("task-missing", "spec: {training: {task: null}}", "spec.training.task", "Required value"),
    Invalid(
        "task-unknown",
        "spec: {training: {task: clasification}}",
        "spec.training.task",
        'supported values: "classification"',
    ),
    Invalid("data-missing", "spec: {training: {data: null}}", "spec.training.data", "Required value"),
    Invalid(
        "data-unknown-field",
        "spec: {training: {data: {batchsize: 8}}}",
        "spec.training.data.batchsize",
        "unknown field",
    ),
    Invalid(
        "data-path-relative",
        "spec: {training: {data: {path: images.zip}}}",
        "spec.training.data.path",
        "an absolute path",
    ),
    Invalid(
        "data-in-no-volume",
        "spec: {training: {data: {path: /dataset/images.zip}}}",
        "spec.training.data.path",
        "training.data.path is in no volume of the pods",
    ),
    Invalid(
        "weights-in-no-volume",
        "spec: {training: {model: {weights: /weights/resnet50.pt}}}",
        "spec.training.model.weights",
        "training.model.weights is in no volume of the pods",
    ),
    Invalid(
        "encoder-weights-in-no-volume",
        "spec: {training: {model: {encoderWeights: /weights/resnet34.pt}}}",
        "spec.training.model.encoderWeights",
        "training.model.encoderWeights is in no volume of the pods",
    ),
    Invalid(
        "splits-leave-nothing",
        "spec: {training: {data: {validationSplit: 0.5, testSplit: 0.5}}}",
        "spec.training.data.validationSplit",
        "lower one of them so that training images remain",
    ),
    Invalid(
        "split-zero",
        "spec: {training: {data: {validationSplit: 0}}}",
        "spec.training.data.validationSplit",
        "greater than 0",
    ),
    Invalid(
        "columns-the-same",
        "spec: {training: {data: {labelColumn: split}}}",
        "spec.training.data.labelColumn",
        "must be three different columns: rename one",
    ),
    Invalid(
        "persistent-workers-without-workers",
        "spec: {training: {data: {numWorkers: 0, persistentWorkers: true}}}",
        "spec.training.data.persistentWorkers",
        "set data.numWorkers above 0, or persistentWorkers to false",
    ),
    Invalid(
        "channels",
        "spec: {training: {data: {channels: 4}}}",
        "spec.training.data.channels",
        'supported values: "1", "3"',
    ),
    Invalid(
        "batch-size-negative",
        "spec: {training: {data: {batchSize: -32}}}",
        "spec.training.data.batchSize",
        "equal to 1",
    ),
    Invalid(
        "learning-rate-zero",
        "spec: {training: {optimizer: {learningRate: 0}}}",
        "spec.training.optimizer.learningRate",
        "greater than 0",
    ),
    Invalid(
        "dropout-one", "spec: {training: {model: {dropout: 1}}}", "spec.training.model.dropout", "less than 1"
    ),
    Invalid(
        "epochs-zero",
        "spec: {training: {maxEpochs: 0}}",
        "spec.training.maxEpochs",
        "greater than or equal to 1",
    ),
    Invalid(
        "monitor-of-another-task",
        "spec: {training: {monitor: val_iou}}",
        "spec.training.monitor",
        "is no metric of the task classification: use val_loss, val_accuracy",
    ),
    Invalid(
        "accelerator-unknown",
        "spec: {training: {accelerator: cuda}}",
        "spec.training.accelerator",
        'supported values: "auto", "gpu", "cpu"',
    ),
    Invalid(
        "gpu-without-gpus",
        "spec: {resources: {gpus: 0}, training: {accelerator: gpu}}",
        "spec.resources.gpus",
        "request at least one GPU, or set training.accelerator to cpu",
    ),
    Invalid(
        "half-precision-without-gpus",
        "spec: {resources: {gpus: 0}, training: {precision: 16-mixed}}",
        "spec.resources.gpus",
        "request at least one GPU, or set training.precision to auto",
    ),
    Invalid(
        "half-precision-on-the-cpu",
        "spec: {training: {accelerator: cpu, precision: 16-mixed}}",
        "spec.training.precision",
        "set training.precision to auto, 32-true or bf16-mixed",
    ),
    Invalid(
        "compiled-detector",
        "spec: {training: {task: object-detection, data: {format: coco}, compile: true}}",
        "spec.training.compile",
        "whose shapes change with each image",
    ),
    Invalid(
        "rate-that-rises",
        "spec: {training: {optimizer: {learningRate: 0.001}, scheduler: {minLearningRate: 0.01}}}",
        "spec.training.scheduler.minLearningRate",
        "is above optimizer.learningRate: lower it",
    ),
]

_DATA = [
    Invalid(
        "window-upside-down",
        "spec: {training: {data: {intensityWindow: [250, -200]}}}",
        "spec.training.data.intensityWindow",
        "write the lower bound first",
    ),
    Invalid(
        "window-of-one-bound",
        "spec: {training: {data: {intensityWindow: [-200]}}}",
        "spec.training.data.intensityWindow",
        "should have at least 2 items",
    ),
    Invalid(
        "patches-of-pictures",
        "spec: {training: {data: {patchSize: [96, 96, 96]}}}",
        "spec.training.data.patchSize",
        "set data.dimensions to 3, or remove patchSize",
    ),
    Invalid(
        "patch-side-too-small",
        "spec: {training: {task: semantic-segmentation, data: {dimensions: 3, patchSize: [96, 96, 4]}}}",
        "spec.training.data.patchSize[2]",
        "greater than or equal to 8",
    ),
    Invalid(
        "volumes-of-a-classifier",
        "spec: {training: {data: {dimensions: 3}}}",
        "spec.training.data.dimensions",
        "is for semantic-segmentation: use that task, or dimensions 2",
    ),
    Invalid(
        "dimensions-of-a-film",
        "spec: {training: {data: {dimensions: 4}}}",
        "spec.training.data.dimensions",
        'supported values: "2", "3"',
    ),
    Invalid(
        "masks-outside-the-data",
        "spec: {training: {data: {masksDirectory: ../masks}}}",
        "spec.training.data.masksDirectory",
        "must be a relative path",
    ),
    Invalid(
        "target-is-the-background",
        "spec: {training: {data: {targetLabel: 0}}}",
        "spec.training.data.targetLabel",
        "greater than or equal to 1",
    ),
    *(
        Invalid(
            f"format-of-{task}",
            f"spec: {{training: {{task: {task}, data: {{format: {format}}}}}}}",
            "spec.training.data.format",
            f"training.data.format does not fit the task {task}",
        )
        for task, format in (
            ("classification", "coco"),
            ("semantic-segmentation", "yolo"),
            ("object-detection", "zip"),
            ("instance-segmentation", "split-files"),
        )
    ),
]

_LOSSES = [
    *(
        Invalid(
            f"loss-of-{task}",
            f"spec: {{training: {{task: {task}, data: {{format: {format}}}, loss: {{name: {loss}}}}}}}",
            "spec.training.loss.name",
            f"training.loss.name does not fit the task {task}",
        )
        for task, format, loss in (
            ("classification", "zip", "dice"),
            ("object-detection", "coco", "focal"),
            ("instance-segmentation", "coco", "cross-entropy"),
        )
    ),
    Invalid(
        "weights-twice",
        "spec: {training: {loss: {classWeights: balanced, classWeightValues: [1, 2]}}}",
        "spec.training.loss.classWeightValues",
        "exclude each other: remove one",
    ),
    Invalid(
        "combined-of-nothing",
        "spec: {training: {task: semantic-segmentation, loss: {name: combined, diceWeight: 0, bceWeight: 0, "
        "focalWeight: 0}}}",
        "spec.training.loss.diceWeight",
        "are all 0: raise one",
    ),
    Invalid(
        "loss-unknown",
        "spec: {training: {loss: {name: hinge}}}",
        "spec.training.loss.name",
        'supported values: "auto", "bce-with-logits", "cross-entropy"',
    ),
]

_TRAINING = [
    *(
        Invalid(
            f"monitor-of-{task}",
            f"spec: {{training: {{task: {task}, data: {{format: {format}}}, monitor: {monitor}}}}}",
            "spec.training.monitor",
            f"is no metric of the task {task}: use {use}",
        )
        for task, format, monitor, use in (
            ("semantic-segmentation", "zip", "val_auroc", "val_loss, val_iou"),
            ("object-detection", "coco", "val_loss", "val_map"),
            ("instance-segmentation", "coco", "val_recall", "val_map"),
        )
    ),
    Invalid(
        "metric-without-module",
        "spec: {training: {metrics: {custom: [Specificity]}}}",
        "spec.training.metrics.custom[0]",
        "must be an import path in the image",
    ),
    Invalid(
        "secret-key-with-slash",
        "spec: {training: {database: {secretName: database, secretKey: team/url}}}",
        "spec.training.database.secretKey",
        "must be a key of a Secret",
    ),
    Invalid(
        "secret-in-capitals",
        "spec: {training: {database: {secretName: Database}}}",
        "spec.training.database.secretName",
        "must be the name of an object",
    ),
    Invalid(
        "round-negative",
        "spec: {training: {database: {roundId: -1}}}",
        "spec.training.database.roundId",
        "greater than or equal to 0",
    ),
    Invalid(
        "moving-average-that-stands-still",
        "spec: {training: {emaDecay: 1}}",
        "spec.training.emaDecay",
        "less than 1",
    ),
    Invalid(
        "clipped-to-nothing",
        "spec: {training: {gradientClipNorm: 0}}",
        "spec.training.gradientClipNorm",
        "greater than 0",
    ),
    Invalid(
        "optimizer-unknown",
        "spec: {training: {optimizer: {name: lion}}}",
        "spec.training.optimizer.name",
        'supported values: "adamw", "adam", "sgd"',
    ),
    Invalid(
        "export-unknown",
        "spec: {training: {export: {formats: [tflite]}}}",
        "spec.training.export.formats[0]",
        'supported values: "onnx", "torch-export", "torchscript"',
    ),
    Invalid(
        "blur-too-wide",
        "spec: {training: {augmentation: {blur: 32}}}",
        "spec.training.augmentation.blur",
        "less than or equal to 31",
    ),
]

CONFIG = [*_COMMON, *_DATA, *_LOSSES, *_TRAINING]

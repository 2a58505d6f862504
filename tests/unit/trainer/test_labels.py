"""Labels of masks become classes without gaps, or the run ends with what does not fit."""

import pytest

from trainingrun_api.training import DataConfig
from trainingrun_trainer.data.labels import IGNORED, Labels
from trainingrun_trainer.errors import BadConfig, BadData


def of(*found: set[int], **fields: object) -> Labels:
    config = DataConfig.model_validate({"format": "directory", "path": "/data", **fields})
    return Labels.of(found, [f"mask '{number}.png'" for number in range(len(found))], config)


@pytest.mark.parametrize(
    ("found", "fields", "names", "values", "indices"),
    [
        ([{0}, {0, 1}], {}, ("background", "1"), (0, 1), {0: 0, 1: 1, 2: IGNORED}),
        ([{0, 255}, {0}], {}, ("background", "255"), (0, 255), {0: 0, 255: 1}),
        ([{0, 9}, {4}], {}, ("background", "4", "9"), (0, 4, 9), {0: 0, 4: 1, 9: 2}),
        ([{1, 2}], {}, ("1", "2"), (1, 2), {1: 0, 2: 1, 0: IGNORED}),
        ([{0, 65535}], {}, ("background", "65535"), (0, 65535), {65535: 1}),
        ([{0, 1}, {1, 2, 255}], {}, ("background", "1", "2"), (0, 1, 2), {2: 2, 255: IGNORED}),
        ([{1, 2, 3, 255}], {}, ("1", "2", "3"), (1, 2, 3), {0: IGNORED, 3: 2, 255: IGNORED}),
        ([{0, 2, 255}], {"classNames": ["a", "b", "c"]}, ("a", "b", "c"), (0, 1, 2), {2: 2, 255: IGNORED}),
        ([{0, 1, 2, 255}], {"targetLabel": 2}, ("background", "2"), (0, 2), {1: 0, 2: 1, 255: IGNORED}),
        ([{0, 128, 255}], {"targetLabel": 255}, ("background", "255"), (0, 255), {128: 0, 255: 1}),
        ([{0, 128, 255}], {"ignoreLabel": 9}, ("background", "128", "255"), (0, 128, 255), {255: 2}),
        ([{0, 1, 255}], {"ignoreLabel": 9}, ("background", "1", "255"), (0, 1, 255), {255: 2}),
        ([{0, 1, 255}], {"ignoreLabel": 255}, ("background", "1"), (0, 1), {1: 1, 255: IGNORED}),
        ([{0, 1, 2}], {"ignoreLabel": 0}, ("1", "2"), (1, 2), {0: IGNORED, 1: 0, 2: 1}),
        ([{0, 2}], {"classNames": ["a", "b", "c"]}, ("a", "b", "c"), (0, 1, 2), {0: 0, 1: 1, 2: 2}),
        ([{0, 255}], {"classNames": ["good", "bad"]}, ("good", "bad"), (0, 255), {0: 0, 255: 1}),
        ([{0, 1, 2}], {"targetLabel": 2}, ("background", "2"), (0, 2), {0: 0, 1: 0, 2: 1, 7: 0}),
        (
            [{0, 1, 2, 3}],
            {"targetLabel": 2, "ignoreLabel": 3, "classNames": ["background", "liver", "tumor"]},
            ("background", "tumor"),
            (0, 2),
            {0: 0, 1: 0, 2: 1, 3: IGNORED},
        ),
    ],
)
def test_labels_become_classes(
    found: list[set[int]],
    fields: dict[str, object],
    names: tuple[str, ...],
    values: tuple[int, ...],
    indices: dict[int, int],
) -> None:
    labels = of(*found, **fields)
    assert (labels.names, labels.values) == (names, values)
    table = labels.table()
    assert {label: table[label] for label in indices} == indices


@pytest.mark.parametrize(
    ("found", "fields", "error", "said"),
    [
        ([{0}, {0}], {}, BadData, "all masks together hold the single label 0"),
        ([{255}], {"ignoreLabel": 255}, BadData, "no label that counts"),
        ([set(range(256))], {}, BadData, "256 different labels"),
        (
            [{0, 1}],
            {"classNames": [*map(str, range(256))]},
            BadData,
            "data.classNames has 256 names, more than",
        ),
        ([{0, 128}, {0, 255}], {}, BadData, "labels 0, 128, 255, where 255 may be a class"),
        ([{0, 2, 255}], {"targetLabel": 2}, BadData, "labels 0, 2, 255, where 255 may be a class"),
        ([{1}, {1, 255}], {}, BadData, "labels 1, 255, where 255 may be a class"),
        ([{0, 1}, {0, 7}], {"classNames": ["a", "b"]}, BadData, "mask '1.png' holds the labels 7"),
        ([{0, 255}], {"classNames": ["a", "b", "c"]}, BadData, "mask '0.png' holds the labels 255"),
        ([{0, 1}], {"targetLabel": 2}, BadConfig, "data.targetLabel is 2, but masks hold the labels 0, 1"),
        ([{0, 1}], {"targetLabel": 1, "ignoreLabel": 1}, BadConfig, "are both 1"),
    ],
)
def test_what_does_not_fit_is_named(
    found: list[set[int]], fields: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as refused:
        of(*found, **fields)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("found", "fields", "warned"),
    [
        ({0, 1, 255}, {}, True),
        ({0, 1, 255}, {"ignoreLabel": 255}, False),
        ({0, 1, 255}, {"ignoreLabel": 9}, False),
        ({0, 255}, {}, False),
        ({0, 1, 2}, {}, False),
    ],
)
def test_pixels_that_count_nowhere_unasked_are_warned_of(
    found: set[int], fields: dict[str, object], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    of(found, **fields)
    assert ("255 beside the labels 0, 1: it counts in no loss" in caplog.text) == warned


def test_the_first_ten_masks_are_named_and_all_are_counted() -> None:
    with pytest.raises(BadData) as refused:
        of({0, 1}, *[{5}] * 12, classNames=["a", "b"])
    assert refused.value.message.startswith("12 problems, the first 10: mask '1.png' holds")
    assert "mask '10.png'" in refused.value.message
    assert "mask '11.png'" not in refused.value.message

"""`training.augmentation`: random changes of training samples; validation and test samples have none."""

from pydantic import Field

from trainingrun_api.model import ApiModel


class AugmentationConfig(ApiModel):
    """Random changes of training images, and alike of their masks and boxes.

    Semantic segmentation of images has those of its predecessor by default (all flips, quarter turns and
    groups with probability 0.5); other tasks have none.
    """

    horizontal_flip: float = Field(
        default_factory=float, ge=0, le=1, description="Probability of a mirror image."
    )
    vertical_flip: float = Field(
        default_factory=float, ge=0, le=1, description="Probability of an image upside down."
    )
    rotate90: float = Field(
        default_factory=float, ge=0, le=1, description="Probability of one to three quarter turns."
    )
    probability: float = Field(
        default_factory=lambda: 1.0,
        ge=0,
        le=1,
        description="Probability of each group of the changes below: rotation with shift and scale, "
        "brightness with contrast, hue with saturation and value, noise, blur.",
    )
    rotate_degrees: float = Field(
        default_factory=float, ge=0, le=180, description="Largest rotation to either side, in degrees."
    )
    shift: float = Field(
        default_factory=float, ge=0, lt=1, description="Largest shift, as a share of the image's side."
    )
    scale: float = Field(
        default_factory=float, ge=0, lt=1, description="Largest change of size: 0.1 is from 0.9 to 1.1."
    )
    brightness: float = Field(
        default_factory=float, ge=0, le=1, description="Largest change of brightness, as a share of white."
    )
    contrast: float = Field(
        default_factory=float, ge=0, le=1, description="Largest change of contrast: 0.2 is from 0.8 to 1.2."
    )
    hue_degrees: float = Field(
        default_factory=float, ge=0, le=180, description="Largest change of hue, in degrees."
    )
    saturation: float = Field(
        default_factory=float, ge=0, le=255, description="Largest change of saturation, of 255."
    )
    value: float = Field(
        default_factory=float, ge=0, le=255, description="Largest change of value (HSV), of 255."
    )
    noise_variance: float = Field(
        default_factory=float,
        ge=0,
        le=65025,
        description="Largest variance of Gaussian noise, of 255 squared.",
    )
    blur: int = Field(
        default_factory=int, ge=0, le=31, description="Largest side in pixels of a Gaussian blur's kernel."
    )

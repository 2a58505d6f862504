"""Colours of plots and pictures."""

from collections.abc import Mapping
from typing import Literal

Theme = Literal["light", "dark"]

INK: Mapping[Theme, tuple[str, str]] = {"light": ("#ffffff", "#1f2328"), "dark": ("#161b22", "#e6edf3")}
"""Colours of paper and ink."""
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
    "#56b4e9", "#9a6fd6", "#8c6d4f", "#808080", "#c23b4e",
)  # fmt: skip
"""Okabe and Ito's colours, which the colour-blind can tell apart, and four more."""
BRIGHT = (*PALETTE[4:6], *PALETTE[2:4], *PALETTE[:2], *PALETTE[6:])
"""The same for what lies on pictures, which are often dark."""

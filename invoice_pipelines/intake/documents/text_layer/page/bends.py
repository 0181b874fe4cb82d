"""How far the lines of a page bend, as those of curled paper do on a photo: learned from where its own words stand.

Words close together are on one printed line. What these runs climb or fall is fitted by a smooth curve, nearly the same
for neighbouring lines; with it, words far apart are compared as if the paper were flat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from invoice_pipelines.intake.documents.text_layer.page.words import Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FEWEST_RUNS = 8
_STIFFNESS = 0.1
"""What keeps the curve flat where few words say otherwise, as a share of what one run counts."""


def falls(words: Sequence[Word], runs: Iterable[Sequence[Word]], height: float) -> list[float]:
    """How far the page falls at each word from where its line would be on flat paper, in points. `runs` are words of
    one line each, `height` is that of a usual letter. Zero where the runs are too few to say."""
    ends = [(run[0], run[-1]) for run in runs if len(run) > 1]
    if len(ends) < _FEWEST_RUNS:
        return [0.0] * len(words)
    import numpy as np  # not for what has a text layer

    width, depth = (max(1.0, *(word.box[side] for word in words)) for side in (2, 3))

    def terms(of: Sequence[Word]) -> Floats:
        boxes = np.array([word.box for word in of])
        x, y = (boxes[:, 0] + boxes[:, 2]) / width - 1, (boxes[:, 1] + boxes[:, 3]) / depth - 1
        return np.stack([x, x**2, x**3, x * y, x**2 * y], axis=1)

    first, last = zip(*ends, strict=True)
    steps = terms(last) - terms(first)
    fallen = np.array([(to.box[1] + to.box[3] - at.box[1] - at.box[3]) / 2 for at, to in ends])
    kept = np.ones(len(ends), dtype=bool)
    curve = np.zeros(steps.shape[1])
    for _ in range(2):
        near = steps[kept]
        curve = np.linalg.solve(near.T @ near + _STIFFNESS * np.eye(len(curve)), near.T @ fallen[kept])
        # Without words of two lines that were taken for one.
        kept = np.abs(steps @ curve - fallen) < height / 2
    return [float(fall) for fall in terms(words) @ curve]

"""What a bad scanner does to a page: skew, uneven light, blur, noise and strong JPEG; the same for a seed."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

JPEG_QUALITY = 45
NOISE_SIGMA = 12.0


def as_bad_scan(image: Image.Image, seed: int) -> Image.Image:
    """The page as a bad grey scan of the same size: turned by 0.6 to 1.8 degrees either way, shaded towards one side
    by up to a quarter, blurred, with noise of sigma 12 and the artefacts of JPEG at quality 45."""
    random = np.random.default_rng(seed)
    angle = float(random.uniform(0.6, 1.8) * random.choice([-1.0, 1.0]))
    turned = image.convert("L").rotate(angle, Image.Resampling.BICUBIC, fillcolor=255)
    blurred = turned.filter(ImageFilter.GaussianBlur(float(random.uniform(0.5, 0.8))))

    pixels = np.asarray(blurred, dtype=np.float32)
    height, width = pixels.shape
    direction = float(random.uniform(0.0, 2 * np.pi))
    across = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None, :] * np.cos(direction)
    down = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] * np.sin(direction)
    slope = (across + down) / np.sqrt(2.0)  # -1 to 1
    shade = 1.0 - float(random.uniform(0.15, 0.25)) * (slope + 1.0) / 2.0
    noise = random.normal(0.0, NOISE_SIGMA, pixels.shape).astype(np.float32)
    scanned = np.clip(pixels * shade + noise, 0.0, 255.0).astype(np.uint8)

    packed = BytesIO()
    Image.fromarray(scanned).save(packed, "JPEG", quality=JPEG_QUALITY)
    return Image.open(BytesIO(packed.getvalue())).convert("L")

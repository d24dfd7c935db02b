"""Faces on photos, by a detector that is given as a file; none comes with the package.

OpenCV 5 has no person detector of its own any more (neither HOG nor cascades). What it runs is
YuNet (W. Wu, H. Peng and S. Yu, "YuNet: a tiny millisecond-level face detector", Machine
Intelligence Research 20, 2023). Without its file nobody is looked for.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview import PeopleConfig
from nadir.errors import InputError

log = logging.getLogger(__name__)

ABSENT = "no detector is given, so faces and people are not looked for"
"""What is said when there is none."""

_LONGEST = 640
"""Longest side of the pictures that are searched, in pixels."""
_REMEDY = "Give YuNet as an ONNX file, or set filters.people to null."


class FaceDetector:
    """Counts faces; made once, for many photos.

    Args:
        cfg: The detector's file and its threshold.

    Raises:
        InputError: When the file is not there or is no such detector.
    """

    def __init__(self, cfg: PeopleConfig) -> None:
        path = Path(cfg.faces)
        if not path.is_file():
            raise InputError(path, "there is no such detector of faces", _REMEDY)
        self._path = path
        try:
            self._net = cv2.FaceDetectorYN.create(os.fspath(path), "", (320, 320), cfg.score)
            self.count(np.zeros((64, 64, 3), np.uint8))
        except (cv2.error, SystemError) as error:
            raise InputError(path, "this is no detector that OpenCV can run", _REMEDY) from error

    def count(self, pixels: NDArray[np.uint8]) -> int:
        """Return the number of faces on a photo, uint8 (height, width, 3) RGB."""
        height, width = pixels.shape[:2]
        scale = min(1.0, _LONGEST / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        picture = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize(size)
        faces = self._net.detect(np.ascontiguousarray(picture[..., ::-1]))[1]
        return 0 if faces is None else len(faces)


def open_detector(cfg: PeopleConfig | None) -> FaceDetector | None:
    """Return the detector, or None, saying so, where none is given."""
    if cfg is None:
        log.warning("people: %s", ABSENT)
        return None
    return FaceDetector(cfg)

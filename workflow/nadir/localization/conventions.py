"""What the corners and the angle of a case's JSON files mean: inferred, stated, applied.

With no located photo the convention is that of crops after `cv2.getRotationMatrix2D(center, angle,
1.0)`: that matrix turns the *picture* counter-clockwise, so that the rows of the crop run clockwise
on the substrate by `angle`, which is the angle of a `Pose`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.localization.pose import CORNERS, Pose
from nadir.localization.records import Record, fit_pose

_ROUNDING = 1.0 / np.sqrt(12.0)  # standard deviation of what rounding to whole numbers cuts off
_ENOUGH = 8  # located photos from which half a pixel at the border can be told
_STRAY = 5.0  # degrees beyond which a photo has no say in the fit
_TRIED = 1000  # photos that are tried as a first guess


@dataclass(frozen=True)
class Conventions:
    """How a JSON file and a pose belong together; the defaults are OpenCV's.

    Attributes:
        corners: "rotated" where corners turn with the photo, "upright" where they form an
            axis-parallel box and only `angle` tells the rotation.
        sign: 1 where `angle` grows with the direction of a pose (clockwise), else -1.
        offset: Direction of a photo whose `angle` is 0, in degrees.
        inset: 0 where corners are outer corners, counted from edges; 0.5 where they are indices
            of the corner pixels.
        scale: Median of substrate pixels per photo pixel.
        scale_spread: Largest relative deviation of a photo's scale from it.
        photos: Photos from which this was inferred; 0 for the default.
        residual: Root mean square of what the fit of the angle leaves, in degrees; None where
            corners tell nothing of it.
        largest: Largest deviation from that fit, in degrees.
        sign_known: Whether the photos tell the sign.
    """

    corners: Literal["rotated", "upright"] = "rotated"
    sign: int = 1
    offset: float = 0.0
    inset: float = 0.0
    scale: float = 1.0
    scale_spread: float = 0.0
    photos: int = 0
    residual: float | None = None
    largest: float | None = None
    sign_known: bool = False

    def direction(self, angle: float) -> float:
        """Return the angle of a pose for the `angle` of a file, 0 to 360."""
        return float((self.sign * angle + self.offset) % 360.0)

    def to_pose(self, record: Record, width: int, height: int) -> Pose:
        """Return the pose that a record means.

        Where corners turn with the photo, the direction is theirs, since `angle` is a whole number.

        Args:
            record: The record.
            width: Columns of the photo.
            height: Rows of the photo.
        """
        pose, _ = fit_pose(record, width, height, self.inset)
        if self.corners == "rotated":
            return pose
        return Pose(pose.x, pose.y, self.direction(record.angle), pose.scale)

    def to_record(self, pose: Pose, width: int, height: int) -> dict[str, Any]:
        """Return the file's content for a pose: whole pixels, and whole degrees 0 to 359.

        Args:
            pose: The pose.
            width: Columns of the photo.
            height: Rows of the photo.
        """
        turned = self.corners == "rotated"
        matrix = Pose(pose.x, pose.y, pose.angle if turned else 0.0, pose.scale).matrix(
            width, height
        )
        low, right, bottom = self.inset, width - self.inset, height - self.inset
        photo = np.array([[low, low, 1], [right, low, 1], [low, bottom, 1], [right, bottom, 1]])
        points = np.rint(photo @ matrix.T - self.inset).astype(int)
        angle = round(self.sign * (pose.angle - self.offset)) % 360
        return {**dict(zip(CORNERS, points.tolist(), strict=True)), "angle": angle}

    def fault(
        self, record: Record, width: int, height: int, file: str | os.PathLike[str]
    ) -> InputError | None:
        """Return what is wrong when corners and angle of a record contradict each other."""
        pose, _ = fit_pose(record, width, height, self.inset)
        wanted = self.direction(record.angle) if self.corners == "rotated" else 0.0
        deviation = abs(float(wrapped(pose.angle - wanted)))
        # An integer angle, rounded or cut off, and corners that were rounded.
        if deviation <= 1.5 + np.rad2deg(2.0 / (pose.scale * min(width, height))):
            return None
        if self.corners == "upright":
            problem = f"its corners are turned by {pose.angle:.1f} degrees, those of the others not"
        else:
            problem = (
                f"its corners are turned by {pose.angle:.1f} degrees, but its angle "
                f"{record.angle:g} means {wanted:.1f}, as in the other files"
            )
        return InputError(file, problem, "Correct the corners or the angle of this file.")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable description, sentences included."""
        return {**asdict(self), "text": self.text()}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Conventions:
        """Return the conventions that `to_dict` described."""
        return cls(**{key: item for key, item in value.items() if key != "text"})

    def text(self) -> list[str]:
        """Return the conventions as sentences."""
        first = (
            f"Inferred from {self.photos} located photos."
            if self.photos
            else "No photo is located: taken as for crops after cv2.getRotationMatrix2D."
        )
        return [first, *self._corner_text(), *self._angle_text(), self._scale_text()]

    def _corner_text(self) -> list[str]:
        """Return sentences about the corners."""
        shape = (
            "Corners turn with the photo; the direction of a photo is taken from them."
            if self.corners == "rotated"
            else "Corners form an upright box; the direction of a photo is taken from its angle."
        )
        count = (
            "They are indices of the corner pixels."
            if self.inset
            else "They are counted from the outer corner of the first pixel of the substrate."
        )
        return [
            shape,
            f"{count} Whether they were rounded or cut off to whole pixels cannot be told.",
        ]

    def _angle_text(self) -> list[str]:
        """Return sentences about the angle."""
        turn = "clockwise" if self.sign == 1 else "counter-clockwise"
        like = "as" if self.sign == 1 else "against the sense that"
        fit = (
            f"The fit leaves {self.residual:.2f} degrees (root mean square), at most "
            f"{self.largest:.2f}."
            if self.residual is not None and self.largest is not None
            else ""
        )
        unknown = (
            ""
            if self.sign_known
            else "The sense of the angle cannot be told from the files and is an assumption."
        )
        main = (
            f"The rows of a photo run along {self.sign:+d} * angle {self.offset:+.2f} degrees on "
            f"the substrate, {turn} on the screen for growing angles, {like} crops after "
            "cv2.getRotationMatrix2D have it."
        )
        return [text for text in (main, fit, unknown) if text]

    def _scale_text(self) -> str:
        spread = f", up to {100 * self.scale_spread:.2f} % more or less" if self.photos else ""
        return f"One pixel of a photo is {self.scale:.5g} pixels of the substrate{spread}."


def infer_conventions(
    records: Mapping[str, Record],
    sizes: Mapping[str, tuple[int, int]],
    *,
    sign: int | None = None,
) -> Conventions:
    """Infer what the records of located photos mean.

    The direction of corners is fitted against `angle` on the circle, for both signs; the sign
    that more photos agree with is taken, OpenCV's where it makes no difference.

    Args:
        records: Photo -> record; corners must be rectangles (`records.check_rectangle`).
        sizes: Photo -> (width, height).
        sign: 1 or -1 where it is known.
    """
    if not records:
        return Conventions(sign=sign or 1, sign_known=sign is not None)
    names = sorted(records)
    angles = np.array([records[name].angle for name in names])
    inset = _inset(records, sizes)
    poses = [fit_pose(records[name], *sizes[name], inset)[0] for name in names]
    sides = np.array([min(sizes[name]) for name in names])
    scales = np.array([pose.scale for pose in poses])
    directions = np.array([pose.angle for pose in poses])
    scale = float(np.median(scales))
    common: dict[str, Any] = {
        "inset": inset,
        "scale": scale,
        "scale_spread": float(np.abs(scales / scale - 1).max()),
        "photos": len(names),
    }
    if _are_upright(directions, angles, np.rad2deg(1.5 / (scales * sides))):
        return Conventions("upright", sign=sign or 1, sign_known=sign is not None, **common)
    fits = {way: _fit_offset(directions - way * angles) for way in ((sign,) if sign else (1, -1))}
    known = sign is not None or len(fits[1][1]) != len(fits[-1][1])
    way = max(fits, key=lambda key: len(fits[key][1]))
    offset, kept = fits[way]
    rounding = np.hypot(_ROUNDING, kept.std()) / np.sqrt(len(kept))
    offset = _plain_offset(offset, 3 * float(rounding))
    left = wrapped(directions - way * angles - offset)
    left = left[np.abs(left) <= _STRAY]
    return Conventions(
        "rotated",
        sign=way,
        offset=offset,
        residual=float(np.sqrt(np.mean(left**2))) if len(left) else None,
        largest=float(np.abs(left).max()) if len(left) else None,
        sign_known=known,
        **common,
    )


def wrapped(degrees: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return angles as -180 to 180 degrees."""
    return (np.asarray(degrees, float) + 180.0) % 360.0 - 180.0


def _are_upright(
    directions: NDArray[np.float64],
    angles: NDArray[np.float64],
    tolerance: NDArray[np.float64],
) -> bool:
    """Whether corners stand upright though the angles say that photos are turned."""
    turned = np.abs(wrapped(angles)) > 2 + tolerance
    if not turned.any():
        return False
    upright = np.abs(wrapped(directions)) <= tolerance
    return bool(upright[turned].mean() > 0.5)


def _fit_offset(gaps: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the offset that most photos agree on, and what it leaves of theirs, in degrees.

    The first guess is the photo with most others near it: a mean would follow strays.
    """
    tried = gaps[:_TRIED]
    support = [np.count_nonzero(np.abs(wrapped(gaps - guess)) <= _STRAY) for guess in tried]
    offset = float(tried[int(np.argmax(support))])
    for _ in range(3):
        left = wrapped(gaps - offset)
        offset += float(left[np.abs(left) <= _STRAY].mean())
    left = wrapped(gaps - offset)
    return offset % 360.0, left[np.abs(left) <= _STRAY]


def _plain_offset(offset: float, tolerance: float) -> float:
    """Return a quarter turn where it lies within the tolerance, else half a degree, else itself.

    Angles that were cut off to whole degrees instead of rounded leave half a degree.
    """
    for step in (90.0, 0.5):
        plain = step * round(offset / step)
        if abs(offset - plain) <= tolerance:
            return plain % 360.0
    return offset


def _inset(records: Mapping[str, Record], sizes: Mapping[str, tuple[int, int]]) -> float:
    """Return 0.5 where footprints are one pixel smaller than the photos, at one and the same scale.

    Corners from the first to the *last* pixel span width - 1: at scale 1 that is easily told from
    corners counted from edges, provided that there are enough photos to average the rounding.
    """
    if len(records) < _ENOUGH:
        return 0.0
    missing = []
    for name, record in records.items():
        pose, _ = fit_pose(record, *sizes[name])
        missing.append((1.0 - pose.scale) * np.mean(sizes[name]))
    values = np.array(missing)
    return 0.5 if values.std() < 1.0 and abs(values.mean() - 1.0) < 0.25 else 0.0

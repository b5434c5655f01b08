"""From pictures to zones: what is there that was not there when the cell was empty.

A person who stands still must not become background, so the picture of the empty cell follows the light only where nothing is seen, and
slowly. What is unsure makes a zone occupied, or the picture poor: never clear.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Sequence, Tuple

import cv2
import numpy as np
from tactus_vision import Object

Point = Tuple[float, float]


@dataclass(frozen=True)
class Zone:
    """An area of the machine file: corners in cell coordinates, mm."""

    name: str
    bit: int
    polygon: Sequence[Point]


class Calibration:
    """From pixels to the floor of the cell and back: four or more pairs of the same point."""

    def __init__(self, pairs: Sequence[Tuple[Point, Point]]) -> None:
        if len(pairs) < 4:
            raise ValueError(f"a calibration needs four pairs of points, not {len(pairs)}")
        pixels = np.array([pixel for pixel, _ in pairs], np.float64)
        places = np.array([place for _, place in pairs], np.float64)
        matrix, _ = cv2.findHomography(pixels, places)
        if matrix is None or abs(np.linalg.det(matrix)) < 1e-12:
            raise ValueError("the points of the calibration lie on a line")
        self._to_cell, self._to_pixel = matrix, np.linalg.inv(matrix)

    def to_cell(self, points: Sequence[Point]) -> np.ndarray:
        return self._map(points, self._to_cell)

    def to_pixel(self, points: Sequence[Point]) -> np.ndarray:
        return self._map(points, self._to_pixel)

    @staticmethod
    def _map(points: Sequence[Point], matrix: np.ndarray) -> np.ndarray:
        return cv2.perspectiveTransform(np.array([points], np.float64), matrix)[0]


@dataclass
class Seen:
    """What a picture says."""

    evaluated: int = 0
    occupied: int = 0
    live: bool = False
    quality: int = 0
    objects: List[Object] = field(default_factory=list)
    #: Bounding boxes in pixels: x, y, width, height.
    boxes: List[Tuple[int, int, int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Settings:
    """How a picture is judged. Shares are of all pixels."""

    #: Differs from the empty cell by more than this (0 to 255).
    threshold: int = 35
    #: Smaller than this is nobody, share.
    smallest: float = 0.0008
    #: So much of a zone must be covered to be occupied, pixels.
    pixels_min: int = 6
    #: Pictures of which less than this differs from the one before are frozen, share. Every sensor has noise.
    live_min: float = 0.0005
    #: Darker or flatter than this is covered (0 to 255).
    mean_min: float = 20.0
    contrast_min: float = 8.0
    #: If more than this differs from the empty cell, the camera was moved or blinded, share.
    changed_max: float = 0.5
    #: Weight of a new picture in that of the empty cell.
    adapt: float = 0.002
    #: What a person may be away from where the foot of the box is, mm.
    uncertainty_mm: int = 150


class Watcher:
    """Judges pictures one by one. ``empty``: a picture of the cell with nobody in it."""

    def __init__(self, empty: np.ndarray, zones: Sequence[Zone], calibration: Calibration,
                 settings: Settings = Settings()) -> None:
        self.zones, self.calibration, self.settings = list(zones), calibration, settings
        self._empty = empty.astype(np.float32)
        self._last: Optional[np.ndarray] = None
        self._masks: List[Tuple[Zone, np.ndarray]] = []
        self.outlines: List[Tuple[Zone, np.ndarray, bool]] = []
        height, width = empty.shape[:2]
        for zone in self.zones:
            outline = np.rint(calibration.to_pixel(zone.polygon)).astype(np.int32)
            # A zone that is not wholly in the picture is not evaluated: it is never clear.
            whole = bool(np.all(outline >= 0) and np.all(outline[:, 0] < width) and np.all(outline[:, 1] < height))
            self.outlines.append((zone, outline, whole))
            if whole:
                mask = np.zeros((height, width), np.uint8)
                cv2.fillPoly(mask, [outline], 255)
                self._masks.append((zone, mask))

    def look(self, frame: np.ndarray) -> Seen:
        """Judges the next picture."""
        seen = Seen(live=self._is_live(frame), quality=self._quality(frame))
        foreground = self._foreground(frame)
        if foreground.mean() / 255.0 > self.settings.changed_max:
            seen.quality = 0
        for zone, mask in self._masks:
            seen.evaluated |= 1 << zone.bit
            if cv2.countNonZero(cv2.bitwise_and(foreground, mask)) >= self.settings.pixels_min:
                seen.occupied |= 1 << zone.bit
        self._objects(foreground, seen)
        self._follow(frame, foreground, seen)
        return seen

    def _is_live(self, frame: np.ndarray) -> bool:
        last, self._last = self._last, frame.copy()
        if last is None:
            return False
        differs = cv2.absdiff(frame, last).max(axis=2) > 2
        return float(differs.mean()) >= self.settings.live_min

    def _quality(self, frame: np.ndarray) -> int:
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        mean, deviation = cv2.meanStdDev(grey)
        mean, deviation = float(mean[0, 0]), float(deviation[0, 0])
        if mean < self.settings.mean_min or mean > 250 or deviation < self.settings.contrast_min:
            return 0
        return 90

    def _foreground(self, frame: np.ndarray) -> np.ndarray:
        difference = cv2.absdiff(frame.astype(np.float32), self._empty).max(axis=2)
        difference = cv2.GaussianBlur(difference, (5, 5), 0)
        mask = (difference > self.settings.threshold).astype(np.uint8) * 255
        kernel = np.ones((3, 3), np.uint8)
        mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel, iterations=2)
        found, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
        smallest = self.settings.smallest * mask.size
        for label in range(1, found):
            if stats[label, cv2.CC_STAT_AREA] < smallest:
                mask[labels == label] = 0
        return mask

    def _objects(self, foreground: np.ndarray, seen: Seen) -> None:
        contours, _ = cv2.findContours(foreground, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        contours = sorted(contours, key=cv2.contourArea, reverse=True)
        for contour in contours[:16]:
            x, y, width, height = cv2.boundingRect(contour)
            foot = self.calibration.to_cell([(x + width / 2, y + height), (x, y + height), (x + width, y + height)])
            radius = float(np.linalg.norm(foot[2] - foot[1])) / 2
            if not np.all(np.isfinite(foot)):
                continue
            seen.boxes.append((x, y, width, height))
            seen.objects.append(Object(
                int(round(foot[0][0])), int(round(foot[0][1])), 0, 0, int(np.ceil(radius)), self.settings.uncertainty_mm
            ))

    def _follow(self, frame: np.ndarray, foreground: np.ndarray, seen: Seen) -> None:
        if seen.quality == 0 or not seen.live:
            return
        nobody = cv2.dilate(foreground, np.ones((15, 15), np.uint8)) == 0
        cv2.accumulateWeighted(frame, self._empty, self.settings.adapt, nobody.astype(np.uint8))

    def draw(self, frame: np.ndarray, seen: Seen, text: str = "") -> np.ndarray:
        """What was seen, for a person to check: red zones are occupied, green ones clear, grey ones not evaluated."""
        picture = frame.copy()
        counts = seen.live and seen.quality > 0
        for zone, outline, whole in self.outlines:
            clear = counts and whole and not seen.occupied >> zone.bit & 1
            colour = (128, 128, 128) if not whole else (80, 200, 80) if clear else (60, 60, 230)
            cv2.polylines(picture, [outline], True, colour, 2)
            x, y = (int(value) for value in outline.mean(axis=0))
            cv2.putText(picture, zone.name, (x - 20, y), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA)
        for (x, y, width, height), person in zip(seen.boxes, seen.objects):
            cv2.rectangle(picture, (x, y), (x + width, y + height), (230, 160, 40), 1)
            cv2.circle(picture, (x + width // 2, y + height), 3, (230, 160, 40), -1)
            label = f"{person.x / 1000:.1f} {person.y / 1000:.1f} m"
            cv2.putText(picture, label, (x, y - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (230, 160, 40), 1, cv2.LINE_AA)
        state = "live" if seen.live else "FROZEN"
        line = f"{text}  {state}  quality {seen.quality}"
        cv2.putText(picture, line, (6, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        return picture


def empty_of(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The cell without the people who walk through these pictures: the median of each pixel."""
    if len(pictures) < 3:
        raise ValueError("at least three pictures")
    return np.median(np.stack(pictures), axis=0).astype(np.uint8)

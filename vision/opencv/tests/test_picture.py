"""The judging of single pictures, on drawn ones whose truth is known."""

import unittest

import cv2
import numpy as np

from tactus_opencv import Calibration, Settings, Watcher, Zone

SIZE = (240, 320)
#: 10 mm a pixel, the origin in the top left corner.
FLOOR = Calibration([((0, 0), (0, 0)), ((320, 0), (3200, 0)), ((320, 240), (3200, 2400)), ((0, 240), (0, 2400))])
LEFT = Zone("left", 0, [(200, 200), (1400, 200), (1400, 2200), (200, 2200)])
RIGHT = Zone("right", 3, [(1800, 200), (3000, 200), (3000, 2200), (1800, 2200)])
OUTSIDE = Zone("outside", 1, [(2800, 200), (3600, 200), (3600, 900)])


class Scene:
    """A floor with noise, and somebody on it."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        floor = self.random.integers(90, 150, (SIZE[0] // 8, SIZE[1] // 8, 3), dtype=np.uint8)
        self.floor = cv2.resize(floor, (SIZE[1], SIZE[0]), interpolation=cv2.INTER_NEAREST)

    def picture(self, *people):
        frame = self.floor.astype(np.int16) + self.random.normal(0, 3, self.floor.shape).round().astype(np.int16)
        frame = frame.clip(0, 255).astype(np.uint8)
        for x, y in people:
            cv2.rectangle(frame, (x - 6, y - 30), (x + 6, y), (20, 30, 240), -1)
        return frame


class Picture(unittest.TestCase):
    def setUp(self) -> None:
        self.scene = Scene()
        # It follows the light ten times as fast as it does, so that few pictures are enough here.
        self.watcher = Watcher(self.scene.floor, [LEFT, RIGHT, OUTSIDE], FLOOR, Settings(adapt=0.02))
        self.watcher.look(self.scene.picture())

    def look(self, *people):
        return self.watcher.look(self.scene.picture(*people))

    def test_a_person_occupies_the_zone_that_he_is_in_and_no_other(self) -> None:
        seen = self.look()
        self.assertEqual((seen.evaluated, seen.occupied), (0b1001, 0), "what is not wholly in the picture is not evaluated")
        self.assertTrue(seen.live and seen.quality >= 60)
        self.assertEqual(self.look((80, 120)).occupied, 0b0001)
        self.assertEqual(self.look((240, 120)).occupied, 0b1000)
        self.assertEqual(self.look((80, 120), (240, 120)).occupied, 0b1001)
        self.assertEqual(self.look((160, 235)).occupied, 0, "between them")

    def test_a_person_is_where_his_feet_are(self) -> None:
        seen = self.look((80, 120))
        self.assertEqual(len(seen.objects), 1)
        self.assertLess(abs(seen.objects[0].x - 800), 40)
        self.assertLess(abs(seen.objects[0].y - 1200), 60)
        self.assertLess(abs(seen.objects[0].radius - 70), 40)

    def test_a_person_who_stands_still_stays_seen(self) -> None:
        for _ in range(40):
            seen = self.look((80, 120))
        self.assertEqual(seen.occupied, 0b0001)
        self.assertEqual(self.look().occupied, 0, "and leaves nothing behind")

    def test_light_that_changes_slowly_is_nobody(self) -> None:
        for _ in range(80):
            self.scene.floor = np.minimum(self.scene.floor.astype(np.float32) + 0.5, 255).astype(np.float32)
            seen = self.look()
        self.assertEqual(seen.occupied, 0)

    def test_a_frozen_picture_is_not_live_at_once_and_lives_again(self) -> None:
        frame = self.scene.picture()
        self.assertTrue(self.watcher.look(frame).live)
        self.assertFalse(self.watcher.look(frame).live)
        recoded = frame.copy()
        recoded[0, :8] ^= 1
        self.assertFalse(self.watcher.look(recoded).live, "a few pixels differ by coding")
        self.assertTrue(self.look().live)

    def test_the_first_picture_is_not_live_for_nobody_can_know(self) -> None:
        self.assertFalse(Watcher(self.scene.floor, [LEFT], FLOOR).look(self.scene.picture()).live)

    def test_a_covered_dark_or_blinded_camera_says_that_its_picture_is_poor(self) -> None:
        noise = self.scene.random.integers(0, 4, self.scene.floor.shape, dtype=np.uint8)
        for picture in (noise, noise + 120, noise + 250, 255 - self.scene.picture()):
            self.assertEqual(self.watcher.look(picture).quality, 0)
        self.assertEqual(self.look().quality, 90)

    def test_a_crowd_is_told_as_sixteen_and_every_zone_is_right(self) -> None:
        crowd = [(25 + 26 * (place % 11), 60 + 55 * (place // 11)) for place in range(33)]
        seen = self.look(*crowd)
        self.assertEqual(len(seen.objects), 16)
        self.assertEqual(seen.occupied, 0b1001)

    def test_a_calibration_on_a_line_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            Calibration([((0, 0), (0, 0)), ((1, 1), (1, 1)), ((2, 2), (2, 2)), ((3, 3), (3, 3))])
        with self.assertRaises(ValueError):
            Calibration([((0, 0), (0, 0))])


if __name__ == "__main__":
    unittest.main()

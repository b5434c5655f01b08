"""Real footage of people drives the demo cell: it stops where they walk in its stop zone, goes on after reset and start, and stops for
good when the picture freezes. Times are held against the adapter's own log, which knows nothing of the machine.

Needs: TACTUS (the program), TACTUS_FOOTAGE (vtest.avi of Debian's opencv-doc), and what tests/third-party/requirements.txt names.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import cv2
import numpy as np
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

ROOT = pathlib.Path(__file__).resolve().parents[3]
TACTUS = os.environ.get("TACTUS", "")
FOOTAGE = os.environ.get("TACTUS_FOOTAGE", "/usr/share/doc/opencv-doc/examples/data/vtest.avi")
MS = 1_000_000
#: Age limit of the stream in this cell, ns; the demo's 150 ms are for a camera with a CPU of its own.
AGE_MAX = 800 * MS
STOP_ZONE = 0b010
#: First picture of the footage that is shown; people are in the stop zone from about 526 to 685.
BEGINS, FREEZES = 380, 765
#: The demo cell's zones laid into the lower left of the footage: 25 mm a pixel, and the walkway.
PAIRS = [([80, 258], [-200, -300]), ([208, 258], [1250, -300]), ([208, 210], [1250, -1500]), ([80, 210], [-200, -1500])]


def cell(folder: pathlib.Path) -> pathlib.Path:
    """The demo cell without its virtual camera and its visitors."""
    text = (ROOT / "config/machines/demo-cell.toml").read_text()
    parts = re.split(r"(?m)^(?=\[)", text)
    kept = [part for part in parts if not part.startswith(("[[virtual.camera", "[[virtual.person"))]
    assert len(parts) == len(kept) + 3
    path = folder / "cell.toml"
    path.write_text("".join(kept).replace('age_max = "150 ms"', f'age_max = "{AGE_MAX // MS} ms"'))
    return path


class Run:
    """A run of machine and adapter side by side, and what both left."""

    def __init__(self, folder: pathlib.Path) -> None:
        machine, socket = cell(folder), folder / "vision.sock"
        (folder / "floor.json").write_text(json.dumps({"pairs": [{"pixel": pixel, "mm": place} for pixel, place in PAIRS]}))
        self.picture = folder / "seen.png"
        tactus = subprocess.Popen(
            [TACTUS, "run", str(machine), "--for", "180s", "--headless", "--report", str(folder / "report.json"),
             "--record", str(folder / "run.mcap"), "--vision-socket", str(socket), "--state", str(folder)],
            cwd=folder, stderr=subprocess.PIPE, text=True,
        )
        adapter = subprocess.run(
            [sys.executable, "-m", "tactus_opencv", "--machine", str(machine), "--tactus", TACTUS, "--stream", "overhead",
             "--socket", str(socket), "--source", FOOTAGE, "--from", str(BEGINS), "--calibration", str(folder / "floor.json"),
             "--learn-from-file", "--fault", f"freeze@{FREEZES - BEGINS}", "--log", str(folder / "log.jsonl"),
             "--draw", str(self.picture), "--draw-every", "200"],
            capture_output=True, text=True, timeout=170, check=False,
        )
        time.sleep(3)
        tactus.send_signal(signal.SIGINT)
        _, said = tactus.communicate(timeout=60)
        assert adapter.returncode == 1, adapter.stderr  # The footage has an end.
        assert tactus.returncode in (0, 5), said
        self.log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        self.report = json.loads((folder / "report.json").read_text())
        self.events, self.x = [], []
        with open(folder / "run.mcap", "rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for _, channel, message, decoded in reader.iter_decoded_messages(topics=["/events", "/axes/x"]):
                if decoded.DESCRIPTOR.name == "Event" and decoded.kind in ("overrun", "axis", "speed_limit", "step"):
                    continue
                if channel.topic == "/events":
                    self.events.append((message.log_time, decoded.kind, decoded.subject, decoded.text))
                else:
                    self.x.append((message.log_time, decoded.position))

    def first(self, condition, after: int = 0):
        return next(line for line in self.log if line["captured_at"] > after and condition(line))

    def trips(self, begin: int, end: int):
        """Stops by what the camera saw. Some who walk into the stop zone cross the hand-over place first."""
        return [at for at, kind, subject, _ in self.events
                if kind == "trip" and subject in ("person in the cell", "hand-over x") and begin <= at <= end]

    def demands(self, begin: int, end: int):
        """When the stop zone became not clear in the loop; the machine may stand already for another reason."""
        return [at for at, kind, subject, _ in self.events
                if kind == "demand" and subject == "person in the cell" and begin <= at <= end]

    def travel(self, begin: int, end: int) -> float:
        places = [position for at, position in self.x if begin <= at <= end]
        return max(places) - min(places) if places else 0.0


@unittest.skipUnless(TACTUS, "TACTUS names no program: this test is run by ./test")
class Footage(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.run_ = Run(pathlib.Path(cls.folder.name))
        if keep := os.environ.get("TACTUS_KEEP_PICTURE"):
            shutil.copy(cls.run_.picture, keep)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def test_the_cell_stops_where_people_walk_and_goes_on_after_reset_and_start(self) -> None:
        run = self.run_
        began = next(at for at, kind, *_ in run.events if kind == "start")
        enters = run.first(lambda line: line["occupied"] & STOP_ZONE, began)["captured_at"]
        leaves = max(line["captured_at"] for line in run.log if line["occupied"] & STOP_ZONE)
        frozen = run.first(lambda line: not line["live"], leaves)["captured_at"]
        self.assertGreater(leaves - enters, 10_000 * MS, "people stay for a while")
        self.assertGreater(run.travel(began, enters), 100.0, "it worked before")
        stopped = run.demands(enters, enters + AGE_MAX)
        self.assertTrue(stopped, f"no demand within {AGE_MAX // MS} ms after {enters}: {run.events}")
        self.assertTrue(run.trips(began, enters + AGE_MAX), run.events)
        self.assertLess(run.travel(stopped[0] + 1_500 * MS, leaves), 0.5, "nothing moves while somebody is there")
        resumed = [at for at, kind, *_ in run.events if kind == "start" and at > enters]
        self.assertTrue(resumed, run.events)
        self.assertGreater(resumed[0], leaves, "nobody starts it while somebody is there")
        self.assertGreater(run.travel(resumed[0], frozen), 50.0, "it works again")

    def test_a_frozen_picture_stops_it_for_good(self) -> None:
        run = self.run_
        leaves = max(line["captured_at"] for line in run.log if line["occupied"] & STOP_ZONE)
        frozen = run.first(lambda line: not line["live"], leaves)
        self.assertGreaterEqual(frozen["picture"], FREEZES - BEGINS)
        # The picture before it may have been the last that counts.
        self.assertTrue(run.demands(frozen["captured_at"] - 200 * MS, frozen["captured_at"] + AGE_MAX), run.events)
        after = [kind for at, kind, *_ in run.events if at > frozen["captured_at"] + AGE_MAX]
        self.assertNotIn("start", after)
        self.assertLess(run.travel(frozen["captured_at"] + AGE_MAX + 1_500 * MS, 1 << 63), 0.5)
        stream = run.report["vision"]["streams"][0]
        self.assertGreaterEqual(stream["refused_by"]["frozen"], 5)
        self.assertEqual(stream["received"], run.report["vision"]["received"])

    def test_the_adapter_knows_its_own_delay(self) -> None:
        delays = [line["delay_ns"] for line in self.run_.log if line["delay_ns"] is not None]
        self.assertGreater(len(delays), 100)
        self.assertTrue(all(delay > 0 for delay in delays))

    def test_the_drawing_shows_zones_and_people(self) -> None:
        drawn = cv2.imread(str(self.run_.picture))
        self.assertEqual(drawn.shape[1], 384)
        red = (drawn[:, :, 2] > 200) & (drawn[:, :, 1] < 100) & (drawn[:, :, 0] < 100)
        blue = (np.abs(drawn.astype(int) - np.array([230, 160, 40])).sum(axis=2) < 30)
        self.assertGreater(red.sum(), 100, "an occupied zone")
        self.assertGreater(blue.sum(), 50, "somebody")


if __name__ == "__main__":
    unittest.main()

"""python -m tactus_opencv: watches the zones of a machine in a camera, a video file or a stream."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Dict, Iterator, List, Optional, Tuple

import cv2
import numpy as np
from tactus_vision import Sender, read_key

from .picture import Calibration, Settings, Watcher, Zone, empty_of

EXAMPLES = """examples:
  python -m tactus_opencv --machine cell.toml --stream overhead --source 0 --empty empty.png --calibration floor.json --draw seen.png
      camera 0; where the zones are says `tactus zones cell.toml`
  python -m tactus_opencv --zones zones.json --stream overhead --source rtsp://192.168.7.20/1 --learn 10 …
      a stream; the empty cell is learnt in the first ten seconds, in which nothing is sent and so nothing is clear
  python -m tactus_opencv … --source people.avi --learn-from-file --fault freeze@120
      a video file at its own pace, whose picture stands still from picture 120 on: what does the machine do then?

The calibration file: {"pairs": [{"pixel": [x, y], "mm": [X, Y]}, …]}, four or more points on the floor.
exit codes: 0 done, 1 the source gave no picture or ended, 2 something given is wrong"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tactus_opencv", description=__doc__, epilog=EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--machine", help="machine file; `tactus zones` is asked about it")
    where.add_argument("--zones", help="what `tactus zones FILE --json` printed")
    parser.add_argument("--tactus", default="tactus", help="the program, for --machine")
    parser.add_argument("--stream", required=True, help="name of the stream in the machine file")
    parser.add_argument("--socket", help="Unix socket of the run; default: where `tactus zones` says")
    parser.add_argument("--key", help="key file, for a UDP stream with a key")
    parser.add_argument("--source", required=True, help="number of a camera, file, or address of a stream")
    parser.add_argument("--calibration", required=True, help="pairs of points, JSON")
    parser.add_argument("--width", type=int, default=384, help="pictures are made this wide; default 384")
    learn = parser.add_mutually_exclusive_group(required=True)
    learn.add_argument("--empty", help="picture of the cell with nobody in it")
    learn.add_argument("--learn", type=float, metavar="SECONDS", help="learn it at start")
    learn.add_argument("--learn-from-file", action="store_true", help="of a video file: from pictures all over it")
    parser.add_argument("--save-empty", help="where to leave the picture of the empty cell")
    parser.add_argument("--for", dest="seconds", type=float, default=float("inf"), help="end after so long")
    parser.add_argument("--loop", action="store_true", help="begin a video file again at its end")
    parser.add_argument("--from", dest="begins", type=int, default=0, metavar="PICTURE", help="begin a video file there")
    parser.add_argument("--draw", help="PNG that always shows what was seen last")
    parser.add_argument("--draw-every", type=int, default=25, metavar="PICTURES")
    parser.add_argument("--log", help="what every picture said, JSON lines")
    parser.add_argument("--fault", metavar="freeze|dark@PICTURE", help="to try it out: what a broken camera does, from this picture on")
    return parser


def machine_zones(options: argparse.Namespace) -> Dict:
    """What `tactus zones` says of the stream, with the configuration hash."""
    if options.machine:
        answer = subprocess.run([options.tactus, "zones", options.machine, "--json"], capture_output=True, text=True, check=False)
        if answer.returncode:
            raise ValueError(f"tactus zones: {answer.stderr.strip()}")
        told = json.loads(answer.stdout)
    else:
        with open(options.zones, encoding="utf-8") as file:
            told = json.load(file)
    found = [stream for stream in told["streams"] if stream["name"] == options.stream]
    if not found:
        raise ValueError(f"no stream {options.stream}; there are {[stream['name'] for stream in told['streams']]}")
    return {**found[0], "config_hash": int(told["config_hash"], 16)}


def calibration_of(path: str) -> Calibration:
    with open(path, encoding="utf-8") as file:
        pairs = json.load(file)["pairs"]
    return Calibration([(tuple(pair["pixel"]), tuple(pair["mm"])) for pair in pairs])


class Pictures:
    """Frames with their capture times, at the pace of the source."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.source = int(options.source) if options.source.isdigit() else options.source
        self.capture = cv2.VideoCapture(self.source)
        if not self.capture.isOpened():
            raise ValueError(f"the source {options.source} cannot be opened")
        self.is_file = self.capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0
        self.rate = self.capture.get(cv2.CAP_PROP_FPS) or 10.0
        self.width, self.loop, self.begins = options.width, options.loop, options.begins

    def _smaller(self, frame: np.ndarray) -> np.ndarray:
        height = round(frame.shape[0] * self.width / frame.shape[1])
        return cv2.resize(frame, (self.width, height), interpolation=cv2.INTER_AREA)

    def read(self) -> Optional[np.ndarray]:
        good, frame = self.capture.read()
        if not good and self.loop and self.is_file:
            self.capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
            good, frame = self.capture.read()
        return self._smaller(frame) if good else None

    def all_over(self, count: int = 24) -> np.ndarray:
        total = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT))
        pictures = []
        for place in range(total):
            if not self.capture.grab():
                break
            if place % max(1, total // count) == 0:
                good, frame = self.capture.retrieve()
                if good:
                    pictures.append(self._smaller(frame))
        self.capture = cv2.VideoCapture(self.source)
        return empty_of(pictures)

    def paced(self) -> Iterator[Tuple[np.ndarray, int]]:
        """Each picture and when it was captured, ns of CLOCK_MONOTONIC: for a camera before it is read, which is earlier than it is."""
        for _ in range(self.begins if self.is_file else 0):
            self.capture.grab()
        due = time.monotonic()
        while True:
            if self.is_file:
                due += 1.0 / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
            captured_at = time.monotonic_ns()
            frame = self.read()
            if frame is None:
                return
            yield frame, captured_at


def faulty(fault: Optional[str], pictures: Iterator[Tuple[np.ndarray, int]]) -> Iterator[Tuple[np.ndarray, int]]:
    """The same pictures until the fault begins."""
    what, _, begins = (fault or "").partition("@")
    if what not in ("", "freeze", "dark"):
        raise ValueError(f"no such fault: {what}")
    held: Optional[np.ndarray] = None
    for number, (frame, captured_at) in enumerate(pictures):
        if what and number >= int(begins):
            if held is None:
                held = frame.copy() if what == "freeze" else np.zeros_like(frame)
            frame = held
        yield frame, captured_at


def learn(pictures: Pictures, options: argparse.Namespace) -> np.ndarray:
    if options.empty:
        empty = cv2.imread(options.empty)
        if empty is None:
            raise ValueError(f"{options.empty} is no picture")
        return pictures._smaller(empty)
    if options.learn_from_file:
        return pictures.all_over()
    found: List[np.ndarray] = []
    end = time.monotonic() + options.learn
    for frame, _ in pictures.paced():
        found.append(frame)
        if time.monotonic() >= end or len(found) >= 200:
            break
    return empty_of(found)


def sender_of(stream: Dict, options: argparse.Namespace) -> Sender:
    if stream["socket"] == "unix":
        return Sender.unix(options.socket or stream["address"], stream["id"], stream["config_hash"], own_clock=stream["own_clock"])
    host, _, port = stream["address"].rpartition(":")
    key = read_key(options.key) if options.key else None
    return Sender.udp(host.strip("[]"), int(port), stream["id"], stream["config_hash"], key=key, own_clock=stream["own_clock"])


def run(options: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    stream = machine_zones(options)
    zones = [Zone(zone["name"], zone["bit"], [tuple(corner) for corner in zone["polygon"]]) for zone in stream["zones"]]
    pictures = Pictures(options)
    empty = learn(pictures, options)
    if options.save_empty:
        cv2.imwrite(options.save_empty, empty)
    watcher = Watcher(empty, zones, calibration_of(options.calibration), Settings())
    for zone, _, whole in watcher.outlines:
        if not whole:
            print(f"tactus_opencv: zone {zone.name} is not wholly in the picture: it will never be clear", file=sys.stderr)
    log = open(options.log, "w", encoding="utf-8", buffering=1) if options.log else None
    end = time.monotonic() + options.seconds
    with sender_of(stream, options) as camera:
        for number, (frame, captured_at) in enumerate(faulty(options.fault, pictures.paced())):
            seen = watcher.look(frame)
            sequence = camera.occupancy(captured_at, seen.quality, seen.live, seen.evaluated, seen.occupied, seen.objects)
            sent_at = time.monotonic_ns()
            camera.receipts()
            if log:
                log.write(json.dumps({
                    "picture": number, "sequence": sequence, "captured_at": captured_at, "sent_at": sent_at,
                    "evaluated": seen.evaluated, "occupied": seen.occupied, "live": seen.live, "quality": seen.quality,
                    "objects": len(seen.objects), "delay_ns": camera.delays.last_ns,
                }) + "\n")
            if options.draw and number % options.draw_every == 0:
                cv2.imwrite(options.draw, watcher.draw(frame, seen, f"picture {number}"))
            if time.monotonic() >= end:
                return 0
    return 1


def main(arguments: Optional[List[str]] = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return run(options)
    except (OSError, ValueError, KeyError) as wrong:
        print(f"tactus_opencv: {wrong}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())

"""python -m tactus_vision send|watch: a camera by hand, and what Tactus says of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import List, Optional

from . import Object, Reason, Sender, Verdict, read_key

EXAMPLES = """examples:
  python -m tactus_vision send --socket /run/user/1000/tactus-cell-vision.sock --stream 1 --hash $(tactus check cell.toml --hash) \\
      --evaluated 0b111 --occupied 0 --rate 25 --for 10
      all three zones clear, 25 times a second, for ten seconds; prints what came back
  python -m tactus_vision send --udp 192.168.7.1:5600 --key camera.key --stream 1 --hash 0x… --object 500,-1000
      the same from another host, with one person in the picture
  python -m tactus_vision send … --inspect 17:bad:0.93
      the result of trigger 17
  python -m tactus_vision watch --socket … --stream 1 --hash 0x…
      only asks how long a datagram takes, once a second; its zones say nothing, so nothing becomes clear

exit codes: 0 everything sent was accepted, 1 something was refused or nobody answered, 2 the command line is wrong"""


def _number(text: str) -> int:
    return int(text, 0)


def _object(text: str) -> Object:
    return Object(*(int(part) for part in text.split(",")))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "tactus_vision", description="The camera side of Tactus.", epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("send", "send what the options say"), ("watch", "ask for delays, once a second")):
        command = commands.add_parser(name, help=what, epilog=EXAMPLES,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
        where = command.add_mutually_exclusive_group(required=True)
        where.add_argument("--socket", help="the Unix socket of the run")
        where.add_argument("--udp", metavar="HOST:PORT", help="the UDP address of the stream")
        command.add_argument("--key", metavar="FILE", help="the shared key (UDP)")
        command.add_argument("--stream", type=_number, required=True, help="stream id of the machine file")
        command.add_argument("--hash", type=_number, required=True, help="what `tactus check FILE --hash` prints")
        command.add_argument("--for", dest="seconds", type=float, default=5.0, help="seconds; default 5")
        command.add_argument("--rate", type=float, default=25.0 if name == "send" else 1.0, help="pictures a second")
        command.add_argument("--json", action="store_true", help="receipts as JSON, one a line")
        if name == "send":
            command.add_argument("--evaluated", type=_number, default=0, help="zones looked at, bit by bit")
            command.add_argument("--occupied", type=_number, default=0, help="zones with something in them")
            command.add_argument("--quality", type=int, default=90)
            command.add_argument("--frozen", action="store_true", help="say that the picture is frozen")
            command.add_argument("--object", type=_object, action="append", default=[], metavar="X,Y[,VX,VY,RADIUS,UNC]")
            command.add_argument("--inspect", metavar="TRIGGER:VERDICT[:SCORE]", help="send one inspection result")
    return parser


def _sender(options: argparse.Namespace) -> Sender:
    if options.socket:
        return Sender.unix(options.socket, options.stream, options.hash)
    host, _, port = options.udp.rpartition(":")
    key = read_key(options.key) if options.key else None
    return Sender.udp(host.strip("[]"), int(port), options.stream, options.hash, key=key)


def _send_one(camera: Sender, options: argparse.Namespace) -> None:
    now = time.monotonic_ns()
    if options.command == "watch":
        camera.zones(now, 100, True, 0, 0)
        return
    camera.occupancy(now, options.quality, not options.frozen, options.evaluated, options.occupied, options.object)


def _inspect(camera: Sender, text: str) -> None:
    trigger, verdict, *score = text.split(":")
    camera.inspection(time.monotonic_ns(), int(trigger, 0), Verdict[verdict.upper()], *(float(part) for part in score))


def _show(camera: Sender, as_json: bool) -> int:
    refused = 0
    for receipt in camera.receipts():
        refused += receipt.reason != Reason.GOOD and not receipt.taken
        if as_json:
            print(json.dumps({
                "sequence": receipt.sequence, "reason": receipt.reason.name.lower(), "taken": receipt.taken,
                "delay_ns": receipt.delay_ns, "uncertainty_ns": receipt.uncertainty_ns,
            }), flush=True)
    return refused


def main(arguments: Optional[List[str]] = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        camera = _sender(options)
    except (OSError, ValueError) as wrong:
        print(f"tactus_vision: {wrong}", file=sys.stderr)
        return 2
    with camera:
        refused, end = 0, time.monotonic() + options.seconds
        if options.udp and not camera.exchange():
            print("tactus_vision: no clock exchange: nobody answers, or the key is another one", file=sys.stderr)
        if options.command == "send" and options.inspect:
            _inspect(camera, options.inspect)
        due = time.monotonic()
        while time.monotonic() < end:
            _send_one(camera, options)
            due += 1.0 / options.rate
            while time.monotonic() < min(due, end):
                refused += _show(camera, options.json)
                time.sleep(0.001)
        time.sleep(0.05)
        refused += _show(camera, options.json)
        delays = camera.delays

    def ms(value: Optional[int]) -> str:
        return "?" if value is None else f"{value / 1e6:.2f} ms"

    reason = f", the last: {delays.last_reason.name.lower()}" if delays.last_reason is not None else ""
    print(
        f"receipts {delays.received}, refused {delays.refused}{reason}; unsent {camera.unsent}; own delay "
        f"{ms(delays.last_ns)}, at most {ms(delays.max_ns)}, until the loop took it {ms(delays.loop_max_ns)}",
        file=sys.stderr,
    )
    return 0 if delays.received and not refused else 1


if __name__ == "__main__":
    sys.exit(main())

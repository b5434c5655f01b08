"""Sending, and hearing what became of it."""

from __future__ import annotations

import hmac
import os
import socket
import stat
import time
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

from . import wire
from .wire import Header, Object, Receipt, Verdict

Address = Union[str, Tuple[str, int]]
#: Between two clock exchanges with another host, ns.
EXCHANGE_NS = 1_000_000_000


def read_key(path: str) -> bytes:
    """64 hexadecimal digits of a file that nobody else may read. Raises ValueError otherwise."""
    with open(path, "r", encoding="ascii") as file:
        about = os.fstat(file.fileno())
        if about.st_mode & 0o077:
            raise ValueError(f"{path}: others may read it ({stat.filemode(about.st_mode)}); chmod 600 {path}")
        text = file.read(256).strip()
    if len(text) != 64:
        raise ValueError(f"{path}: expected 64 hexadecimal digits")
    return bytes.fromhex(text)


@dataclass
class Delays:
    """What the receipts said so far, ns; None: nothing yet."""

    received: int = 0
    refused: int = 0
    last_ns: Optional[int] = None
    max_ns: Optional[int] = None
    loop_max_ns: Optional[int] = None
    last_reason: Optional[wire.Reason] = None

    def take(self, receipt: Receipt) -> None:
        delay = receipt.delay_ns
        if receipt.taken:
            if delay is not None:
                self.loop_max_ns = max(self.loop_max_ns or 0, delay)
            return
        self.received += 1
        self.last_reason = receipt.reason
        self.refused += receipt.reason != wire.Reason.GOOD
        if delay is not None:
            self.last_ns = delay
            self.max_ns = max(self.max_ns or 0, delay)


class Sender:
    """One camera. Not for use from several threads.

    Sequences begin at the wall clock's nanoseconds, so that a process that was started again goes on forward. Nothing here blocks: a
    datagram that finds no room is lost, and the next picture is newer.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: Address,
        stream_id: int,
        config_hash: int,
        key: Optional[bytes] = None,
        own_clock: bool = False,
        first_sequence: Optional[int] = None,
    ) -> None:
        self._socket = sock
        self._address = address
        self._stream_id = stream_id
        self._config_hash = config_hash
        self._key = key
        self._own_clock = own_clock
        self._sequence = time.time_ns() if first_sequence is None else first_sequence
        self._exchanged_at = -EXCHANGE_NS
        #: The question of the clock exchange that goes on, by sequence.
        self._asked: Optional[int] = None
        self.delays = Delays()
        #: Datagrams that could not be sent: nobody listens, or there was no room.
        self.unsent = 0

    @classmethod
    def unix(cls, path: str, stream_id: int, config_hash: int, **options) -> "Sender":
        """Through the socket that `tactus run` has opened on this host (--vision-socket)."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        # An address of its own, so that receipts find back; the kernel chooses it.
        sock.bind("")
        sock.setblocking(False)
        return cls(sock, path, stream_id, config_hash, **options)

    @classmethod
    def udp(cls, host: str, port: int, stream_id: int, config_hash: int, key: Optional[bytes] = None,
            own_clock: bool = True, **options) -> "Sender":
        """To another host. Without ``key`` the machine file must say ``insecure = true``."""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        return cls(sock, address, stream_id, config_hash, key=key, own_clock=own_clock, **options)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def sequence(self) -> int:
        """Of the next datagram."""
        return self._sequence

    def _header(self, captured_at: int, exposure_ns: int = 0, quality: int = 100, live: bool = True) -> Header:
        return Header(
            self._stream_id, self._config_hash, self._sequence, captured_at, exposure_ns, quality, live, self._own_clock
        )

    def send_bytes(self, datagram: bytes) -> bool:
        """As it is, with the key's code behind it. False: it could not be sent."""
        self._sequence += 1
        if self._key is not None:
            datagram += wire.mac(self._key, datagram)
        try:
            self._socket.sendto(datagram, self._address)
        except OSError:
            self.unsent += 1
            return False
        return True

    def occupancy(self, captured_at: int, quality: int, live: bool, evaluated: int, occupied: int,
                  objects: Sequence[Object] = (), exposure_ns: int = 0) -> int:
        """Zones and objects; returns the sequence."""
        self._keep_time()
        sequence = self._sequence
        header = self._header(captured_at, exposure_ns, quality, live)
        self.send_bytes(wire.encode_occupancy(header, evaluated, occupied, objects))
        return sequence

    def zones(self, captured_at: int, quality: int, live: bool, evaluated: int, occupied: int) -> int:
        """Zones alone; returns the sequence."""
        self._keep_time()
        sequence = self._sequence
        self.send_bytes(wire.encode_zones(self._header(captured_at, 0, quality, live), evaluated, occupied))
        return sequence

    def inspection(self, captured_at: int, trigger: int, verdict: Verdict, score: float = 1.0,
                   values: Sequence[int] = (), quality: int = 100) -> int:
        """What became of a part; returns the sequence."""
        self._keep_time()
        sequence = self._sequence
        header = self._header(captured_at, 0, quality, True)
        self.send_bytes(wire.encode_inspection(header, trigger, verdict, score, values))
        return sequence

    def _keep_time(self) -> None:
        if not self._own_clock:
            return
        self.receipts()
        if time.monotonic_ns() - self._exchanged_at >= EXCHANGE_NS:
            self._ask()

    def _ask(self) -> None:
        self._exchanged_at = time.monotonic_ns()
        self._asked = self._sequence
        self.send_bytes(wire.encode_clock(self._header(self._exchanged_at), 0, 0))

    def exchange(self, timeout: float = 1.0) -> bool:
        """For a camera on another host: compares clocks now. False: nobody answered in time, or the answer does not count."""
        end = time.monotonic() + timeout
        self._ask()
        answer = self._sequence
        while time.monotonic() < end:
            for receipt in self.receipts():
                if receipt.sequence == answer and not receipt.taken:
                    return receipt.reason == wire.Reason.GOOD
            time.sleep(0.001)
        return False

    def receipts(self) -> List[Receipt]:
        """What has come back since; does not wait. Answers clock exchanges on the way."""
        found: List[Receipt] = []
        while True:
            try:
                data = self._socket.recv(2048)
            except OSError:
                return found
            arrived = time.monotonic_ns()
            if self._key is not None and not self._is_signed(data):
                continue
            receipt = Receipt.parse(data[: wire.RECEIPT_LENGTH])
            if receipt is None or receipt.stream_id != self._stream_id:
                continue
            self.delays.take(receipt)
            found.append(receipt)
            if receipt.sequence == self._asked and not receipt.taken:
                self._asked = None
                self.send_bytes(wire.encode_clock(self._header(time.monotonic_ns()), receipt.sent_at, arrived))

    def _is_signed(self, data: bytes) -> bool:
        body, code = data[: wire.RECEIPT_LENGTH], data[wire.RECEIPT_LENGTH :]
        return hmac.compare_digest(code, wire.mac(self._key or b"", body))

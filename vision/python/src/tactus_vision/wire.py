"""The bytes of version 2 (docs/vision-channel.md). No IO here."""

from __future__ import annotations

import enum
import hashlib
import hmac as _hmac
import struct
import zlib
from dataclasses import dataclass
from typing import Optional, Sequence

MAGIC = b"TVIS"
VERSION = 2
OCCUPANCY_LENGTH = 436
ZONES_LENGTH = 52
INSPECTION_LENGTH = 92
RECEIPT_LENGTH = 76
CLOCK_LENGTH = 60
MAC_LENGTH = 32
OBJECTS_MAX = 16
VALUES_MAX = 8
OWN_CLOCK = 1

_HEADER = struct.Struct("<4sBBHQQQIBBBB")
_OBJECT = struct.Struct("<iiiiII")


class Kind(enum.IntEnum):
    """What a datagram is about."""

    OCCUPANCY = 1
    ZONES = 2
    INSPECTION = 3
    RECEIPT = 4
    CLOCK = 5


class Verdict(enum.IntEnum):
    """What an inspection found."""

    UNKNOWN = 0
    GOOD = 1
    BAD = 2


class Reason(enum.IntEnum):
    """Why a datagram does not count."""

    GOOD = 0
    FORMAT = 1
    CRC = 2
    STREAM = 3
    CONFIGURATION = 4
    SEQUENCE = 5
    BACKWARDS = 6
    FUTURE = 7
    STALE = 8
    QUALITY = 9
    FROZEN = 10
    CLOCK = 11
    MAC = 12
    WAY = 13


@dataclass(frozen=True)
class Object:
    """Something that is seen, in cell coordinates: mm and mm/s."""

    x: int
    y: int
    vx: int = 0
    vy: int = 0
    radius: int = 300
    uncertainty: int = 0


@dataclass(frozen=True)
class Header:
    """What every datagram begins with. ``captured_at``: ns of CLOCK_MONOTONIC of Tactus' host, or with ``own_clock`` of this one's."""

    stream_id: int
    config_hash: int
    sequence: int
    captured_at: int
    exposure_ns: int = 0
    quality: int = 100
    live: bool = True
    own_clock: bool = False

    def pack(self, kind: Kind, count: int = 0) -> bytes:
        """Its 40 bytes. Raises ValueError for what the format cannot hold."""
        if not 0 <= self.quality <= 100:
            raise ValueError(f"quality is 0 to 100, not {self.quality}")
        if self.sequence < 1:
            raise ValueError("sequences begin above 0")
        flags = OWN_CLOCK if self.own_clock else 0
        try:
            return _HEADER.pack(
                MAGIC, VERSION, kind, self.stream_id, self.config_hash, self.sequence, self.captured_at,
                min(self.exposure_ns, 0xFFFF_FFFF), self.quality, int(self.live), count, flags,
            )
        except struct.error as wrong:
            raise ValueError(f"a field does not fit: {wrong}") from None


def crc32(data: bytes) -> int:
    """IEEE 802.3: reflected, 0xEDB88320, init and final xor all ones."""
    return zlib.crc32(data) & 0xFFFF_FFFF


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256, what stands behind a datagram of a stream with a key."""
    return _hmac.new(key, data, hashlib.sha256).digest()


def _sealed(body: bytes) -> bytes:
    return body + struct.pack("<I", crc32(body))


def _clamped(value: int, low: int, high: int) -> int:
    return max(low, min(high, int(value)))


def encode_occupancy(header: Header, evaluated: int, occupied: int, objects: Sequence[Object] = ()) -> bytes:
    """Kind 1. With more than 16 objects the zones that were evaluated must still say so: the caller chooses which 16 to tell."""
    if len(objects) > OBJECTS_MAX:
        raise ValueError(f"at most {OBJECTS_MAX} objects, not {len(objects)}")
    body = header.pack(Kind.OCCUPANCY, len(objects)) + struct.pack("<II", evaluated, occupied)
    for seen in objects:
        low, high = -(1 << 31), (1 << 31) - 1
        body += _OBJECT.pack(
            *(_clamped(value, low, high) for value in (seen.x, seen.y, seen.vx, seen.vy)),
            *(_clamped(value, 0, (1 << 32) - 1) for value in (seen.radius, seen.uncertainty)),
        )
    return _sealed(body.ljust(OCCUPANCY_LENGTH - 4, b"\0"))


def encode_zones(header: Header, evaluated: int, occupied: int) -> bytes:
    """Kind 2."""
    return _sealed(header.pack(Kind.ZONES) + struct.pack("<II", evaluated, occupied))


def encode_inspection(
    header: Header, trigger: int, verdict: Verdict, score: float = 1.0, values: Sequence[int] = ()
) -> bytes:
    """Kind 3. ``score``: how sure of the verdict, 0 to 1. ``values``: up to 8 measured values, i32."""
    if len(values) > VALUES_MAX:
        raise ValueError(f"at most {VALUES_MAX} values, not {len(values)}")
    millionths = round(score * 1_000_000)
    if not 0 <= millionths <= 1_000_000:
        raise ValueError(f"a score is 0 to 1, not {score}")
    body = header.pack(Kind.INSPECTION) + struct.pack("<QBBHI", trigger, verdict, len(values), 0, millionths)
    padded = list(values) + [0] * (VALUES_MAX - len(values))
    return _sealed(body + struct.pack("<8i", *padded))


def encode_clock(header: Header, echo: int, arrived: int) -> bytes:
    """Kind 5: ``captured_at`` is when this is sent; ``echo`` is when a receipt left Tactus, ``arrived`` when it came here."""
    return _sealed(header.pack(Kind.CLOCK) + struct.pack("<QQ", echo, arrived))


@dataclass(frozen=True)
class Receipt:
    """What became of a datagram. Times are ns of CLOCK_MONOTONIC of Tactus' host."""

    stream_id: int
    config_hash: int
    sequence: int
    sent_at: int
    reason: Reason
    taken: bool
    received_at: int
    taken_at: int
    captured_at: int
    uncertainty_ns: int

    @property
    def delay_ns(self) -> Optional[int]:
        """From capture to receipt, or to the loop if this receipt is of that; at the longest. None: the clock is not known yet."""
        if self.captured_at == 0:
            return None
        return (self.taken_at if self.taken else self.received_at) - self.captured_at

    @staticmethod
    def parse(data: bytes) -> Optional["Receipt"]:
        """None: these bytes are no receipt."""
        if len(data) != RECEIPT_LENGTH or crc32(data[:-4]) != struct.unpack("<I", data[-4:])[0]:
            return None
        magic, version, kind, stream, config, sequence, sent_at, _, _, reason, stage, _ = _HEADER.unpack(data[:40])
        if magic != MAGIC or version != VERSION or kind != Kind.RECEIPT:
            return None
        received_at, taken_at, captured_at, uncertainty = struct.unpack("<QQQQ", data[40:72])
        try:
            known = Reason(reason)
        except ValueError:
            return None
        return Receipt(
            stream, config, sequence, sent_at, known, stage == 2, received_at, taken_at, captured_at, uncertainty
        )

"""The camera side of Tactus: sends what a camera sees, and hears what became of it.

    from tactus_vision import Sender, Object
    with Sender.unix("/run/user/1000/tactus-demo-cell-vision.sock", stream_id=1, config_hash=0x1122) as camera:
        camera.occupancy(captured_at=time.monotonic_ns(), quality=90, live=True, evaluated=0b111, occupied=0b010)
        for receipt in camera.receipts():
            print(receipt.delay_ns, receipt.reason)

The bytes are those of docs/vision-channel.md, version 2. Standard library only.
"""

from .channel import Delays, Sender, read_key
from .wire import (
    CLOCK_LENGTH,
    INSPECTION_LENGTH,
    MAC_LENGTH,
    OCCUPANCY_LENGTH,
    RECEIPT_LENGTH,
    VERSION,
    ZONES_LENGTH,
    Header,
    Kind,
    Object,
    Reason,
    Receipt,
    Verdict,
    crc32,
    encode_clock,
    encode_inspection,
    encode_occupancy,
    encode_zones,
    mac,
)

__all__ = [
    "CLOCK_LENGTH", "INSPECTION_LENGTH", "MAC_LENGTH", "OCCUPANCY_LENGTH", "RECEIPT_LENGTH", "VERSION", "ZONES_LENGTH",
    "Delays", "Header", "Kind", "Object", "Reason", "Receipt", "Sender", "Verdict",
    "crc32", "encode_clock", "encode_inspection", "encode_occupancy", "encode_zones", "mac", "read_key",
]

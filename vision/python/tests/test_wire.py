"""The bytes, field by field, against the golden vectors that C and Rust make too; and a channel over real sockets."""

import os
import pathlib
import socket
import struct
import tempfile
import time
import unittest

from tactus_vision import (
    Header, Object, Reason, Receipt, Sender, Verdict, crc32, encode_clock, encode_inspection, encode_occupancy, encode_zones, mac, read_key,
)

VECTORS = pathlib.Path(__file__).resolve().parents[2] / "vectors.txt"


def vectors():
    """Name → bytes."""
    lines = (line.split() for line in VECTORS.read_text().splitlines() if line and not line.startswith("#"))
    return {name: bytes.fromhex(data) for name, data in lines}


def header(**changed):
    fields = dict(stream_id=0x0102, config_hash=0x1122334455667788, sequence=9, captured_at=0x0A0B0C0D, exposure_ns=5_000_000, quality=97)
    return Header(**{**fields, **changed})


def ours():
    """What vision/c/vectors.c and tests/vision_bytes.rs make."""
    objects = [Object(-1, 2, -3, 4, 300, 60), Object(1250, -1500, 0, 0, 350, 25)]
    return {
        "occupancy": encode_occupancy(header(), 0b111, 0b010, objects),
        "zones": encode_zones(header(live=False), 0xFFFFFFFF, 1),
        "inspection": encode_inspection(header(), 77, Verdict.BAD, 0.99, [-5, 2_000_000_000]),
        "clock": encode_clock(header(own_clock=True), 1000, 2000),
        "mac": mac(bytes(range(32)), encode_zones(header(), 1, 0)),
    }


class Bytes(unittest.TestCase):
    def test_every_kind_is_the_golden_vector(self):
        golden = vectors()
        self.assertEqual({name: data.hex() for name, data in ours().items()},
                         {name: golden[name].hex() for name in ours()})

    def test_fields_are_where_the_page_says(self):
        data = ours()["occupancy"]
        self.assertEqual(len(data), 436)
        self.assertEqual(data[:8], b"TVIS\x02\x01\x02\x01")
        self.assertEqual(struct.unpack("<QQQ", data[8:32]), (0x1122334455667788, 9, 0x0A0B0C0D))
        self.assertEqual(list(data[36:40]), [97, 1, 2, 0])
        self.assertEqual(struct.unpack("<II", data[40:48]), (7, 2))
        self.assertEqual(struct.unpack("<iiiiII", data[48:72]), (-1, 2, -3, 4, 300, 60))
        self.assertEqual(struct.unpack("<I", data[-4:])[0], crc32(data[:-4]))
        self.assertEqual(crc32(b"123456789"), 0xCBF43926)

    def test_what_the_format_cannot_hold_is_refused_before_it_is_sent(self):
        for wrong in (
            lambda: encode_occupancy(header(quality=101), 0, 0),
            lambda: encode_occupancy(header(sequence=0), 0, 0),
            lambda: encode_occupancy(header(stream_id=70_000), 0, 0),
            lambda: encode_occupancy(header(), 0, 0, [Object(0, 0)] * 17),
            lambda: encode_inspection(header(), 1, Verdict.GOOD, 1.5),
            lambda: encode_inspection(header(), 1, Verdict.GOOD, 1.0, [0] * 9),
        ):
            with self.assertRaises(ValueError):
                wrong()

    def test_objects_far_away_stay_in_the_numbers_of_the_format(self):
        data = encode_occupancy(header(), 0, 0, [Object(10**12, -10**12, 0, 0, -5, 10**12)])
        self.assertEqual(struct.unpack("<iiiiII", data[48:72]), (2**31 - 1, -2**31, 0, 0, 0, 2**32 - 1))


def receipt(sequence, **changed):
    fields = dict(reason=0, stage=1, received=5_000, taken=0, captured=4_000, uncertainty=0, sent=5_000)
    fields.update(changed)
    body = struct.pack("<4sBBHQQQIBBBB", b"TVIS", 2, 4, 0x0102, 7, sequence, fields["sent"], 0, 0, fields["reason"], fields["stage"], 0)
    body += struct.pack("<QQQQ", fields["received"], fields["taken"], fields["captured"], fields["uncertainty"])
    return body + struct.pack("<I", crc32(body))


class Receipts(unittest.TestCase):
    def test_a_receipt_says_the_delay_and_the_reason(self):
        heard = Receipt.parse(receipt(3, reason=8))
        self.assertEqual((heard.sequence, heard.reason, heard.delay_ns, heard.taken), (3, Reason.STALE, 1_000, False))
        taken = Receipt.parse(receipt(3, stage=2, taken=9_000))
        self.assertEqual(taken.delay_ns, 5_000)
        self.assertIsNone(Receipt.parse(receipt(3, captured=0)).delay_ns, "no clock is known")

    def test_damaged_or_foreign_bytes_are_no_receipt(self):
        good = receipt(3)
        for at in range(len(good)):
            self.assertIsNone(Receipt.parse(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:]))
        self.assertIsNone(Receipt.parse(good[:-1]))
        self.assertIsNone(Receipt.parse(b""))


class Channel(unittest.TestCase):
    def test_a_sender_goes_forward_by_one_and_hears_its_receipts(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "vision.sock")
            host = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            host.bind(path)
            host.settimeout(5)
            with Sender.unix(path, 0x0102, 7) as camera:
                first = camera.occupancy(4_000, 90, True, 1, 0)
                camera.zones(4_100, 90, True, 1, 0)
                data, address = host.recvfrom(1000)
                more, _ = host.recvfrom(1000)
                self.assertEqual(struct.unpack("<Q", data[16:24])[0], first)
                self.assertEqual(struct.unpack("<Q", more[16:24])[0], first + 1)
                host.sendto(receipt(first), address)
                host.sendto(receipt(first + 1, reason=5), address)
                time.sleep(0.05)
                self.assertEqual([got.sequence for got in camera.receipts()], [first, first + 1])
                self.assertEqual((camera.delays.received, camera.delays.refused), (2, 1))
                self.assertEqual(camera.delays.max_ns, 1_000)
            host.close()

    def test_nobody_listening_is_counted_and_stops_nothing(self):
        with Sender.unix("/nonexistent/vision.sock", 1, 1) as camera:
            camera.zones(1, 90, True, 1, 0)
            self.assertEqual(camera.unsent, 1)

    def test_a_clock_exchange_echoes_the_receipt_once_and_signs(self):
        key = bytes(range(32))
        host = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host.bind(("127.0.0.1", 0))
        host.settimeout(5)
        with Sender.udp("127.0.0.1", host.getsockname()[1], 0x0102, 7, key=key) as camera:
            camera.zones(camera_time := time.monotonic_ns(), 90, True, 1, 0)
            question, address = host.recvfrom(1000)
            self.assertEqual((question[5], len(question)), (5, 92))
            self.assertEqual(question[60:], mac(key, question[:60]))
            zones, _ = host.recvfrom(1000)
            self.assertEqual((zones[5], zones[39]), (2, 1))
            sequence = struct.unpack("<Q", question[16:24])[0]
            unsigned = receipt(sequence, sent=123)
            host.sendto(unsigned + bytes(32), address)
            time.sleep(0.05)
            self.assertEqual(camera.receipts(), [], "a receipt without the key is none")
            for _ in range(2):
                host.sendto(unsigned + mac(key, unsigned), address)
            time.sleep(0.05)
            self.assertEqual(len(camera.receipts()), 2)
            answer, _ = host.recvfrom(1000)
            echo, arrived = struct.unpack("<QQ", answer[40:56])
            self.assertEqual(echo, 123)
            self.assertGreaterEqual(arrived, camera_time)
            host.settimeout(0.1)
            with self.assertRaises(OSError):
                host.recvfrom(1000)
        host.close()


class Keys(unittest.TestCase):
    def test_a_key_that_others_may_read_or_that_is_none_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "camera.key")
            for text, rights, good in (("0f" * 32, 0o600, True), ("0f" * 32, 0o640, False), ("0f" * 31, 0o600, False)):
                with open(path, "w", encoding="ascii") as file:
                    file.write(text + "\n")
                os.chmod(path, rights)
                if good:
                    self.assertEqual(read_key(path), b"\x0f" * 32)
                else:
                    with self.assertRaises(ValueError):
                        read_key(path)


if __name__ == "__main__":
    unittest.main()

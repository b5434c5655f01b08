"""Compares what `tactus export` printed with what the unmodified PyPI reader finds in the recording, field by field."""

import csv
import json
import sys

from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory


def fields(message):
    """A decoded message as export names things: words for enumerations, hexadecimal digits for bytes."""
    found = {}
    for field in message.DESCRIPTOR.fields:
        if not isinstance(getattr(message, field.name), (bool, int, float, str, bytes)):
            continue
        if field.has_presence and not message.HasField(field.name):
            found[field.name] = None
            continue
        value = getattr(message, field.name)
        if field.enum_type is not None:
            value = field.enum_type.values_by_number[value].name
        elif isinstance(value, bytes):
            value = value.hex()
        found[field.name] = value
    return found


def text(value):
    """A value as a CSV cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


recording, jsonl, table = sys.argv[1:4]
with open(recording, "rb") as file:
    reader = make_reader(file, decoder_factories=[DecoderFactory()])
    wanted = [
        (channel.topic, message.log_time, fields(decoded))
        for _, channel, message, decoded in reader.iter_decoded_messages(log_time_order=False)
        if not channel.topic.startswith("/replay/")
    ]
with open(jsonl, encoding="utf-8") as file:
    lines = [json.loads(line) for line in file]
assert len(lines) == len(wanted) > 1000, (len(lines), len(wanted))
for line, (topic, time, values) in zip(lines, wanted):
    assert (line["topic"], line["time_ns"]) == (topic, time), (line, topic, time)
    for name, value in values.items():
        assert line[name] == value, (topic, name, line[name], value)
with open(table, encoding="utf-8", newline="") as file:
    rows = list(csv.DictReader(file, strict=True))
axes = [it for it in wanted if it[0].startswith("/axes/") or it[0] == "/events"]
assert len(rows) == len(axes) > 1000, (len(rows), len(axes))
for row, (topic, time, values) in zip(rows, axes):
    assert (row["topic"], row["time_ns"]) == (topic, str(time)), (row, topic, time)
    for name, value in values.items():
        if isinstance(value, float):
            assert float(row[name]) == value, (topic, name, row[name], value)
        else:
            assert row[name] == text(value), (topic, name, row[name], value)
print(len(lines), len(rows))

"""Reads a recording with the unmodified PyPI reader and decodes every message by the schema embedded in the file."""

import collections
import sys

from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

counts = collections.Counter()
times = {}
with open(sys.argv[1], "rb") as file:
    reader = make_reader(file, decoder_factories=[DecoderFactory()])
    summary = reader.get_summary()
    assert summary is not None and summary.statistics is not None, "no summary: the file is not finished"
    for schema, channel, message, decoded in reader.iter_decoded_messages():
        assert schema.encoding == "protobuf", schema
        assert message.log_time >= times.get(channel.topic, 0), f"{channel.topic}: time goes back"
        times[channel.topic] = message.log_time
        counts[channel.topic] += 1
        assert decoded is not None
    assert sum(counts.values()) == summary.statistics.message_count, "index and messages disagree"

for topic, count in sorted(counts.items()):
    print(f"{count:8} {topic}")
for wanted in ("/cycle", "/events"):
    assert counts[wanted] > 0, f"no message on {wanted}"
assert any(topic.startswith("/axes") for topic in counts), "no axis was recorded"

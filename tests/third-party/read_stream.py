"""Reads a JetStream stream with the unmodified PyPI client: every message in the order of the stream, as JSON on the standard output."""

import asyncio
import json
import sys

import nats
from nats.js.errors import NotFoundError


async def main(server, stream):
    client = await nats.connect(server, connect_timeout=10)
    context = client.jetstream()
    found = []
    try:
        state = (await context.stream_info(stream)).state
        for sequence in range(state.first_seq, state.last_seq + 1):
            try:
                message = await context.get_msg(stream, sequence)
            except NotFoundError:
                continue
            found.append(
                {
                    "subject": message.subject,
                    "queue": message.headers["Tactus-Queue"],
                    "first": int(message.headers["Tactus-First"]),
                    "last": int(message.headers["Tactus-Last"]),
                    "records": [[r["sequence"], r["raw"]] for r in json.loads(message.data)],
                }
            )
    except NotFoundError:
        pass
    await client.close()
    json.dump(found, sys.stdout)


asyncio.run(main(sys.argv[1], sys.argv[2]))

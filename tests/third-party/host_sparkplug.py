"""The unmodified PyPI pysparkplug as a host: births, and data with names and types resolved from them, as lines of JSON.

After --data messages with data it asks for a rebirth, waits for one, and ends.
"""

import argparse
import json
import sys
import threading

import pysparkplug as sp

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("group")
options.add_argument("node")
options.add_argument("--tls", nargs=3)
options.add_argument("--data", type=int, default=20)
options = options.parse_args()

done = threading.Event()
seen = {"NBIRTH": 0, "DATA": 0, "asked": 0}


def ask(client):
    rebirth = sp.Metric(
        timestamp=sp.get_current_timestamp(), name="Node Control/Rebirth", datatype=sp.DataType.BOOLEAN, value=True
    )
    message = sp.Message(
        topic=sp.Topic(message_type=sp.MessageType.NCMD, group_id=options.group, edge_node_id=options.node),
        payload=sp.NCmd(timestamp=sp.get_current_timestamp(), metrics=(rebirth,)),
        qos=sp.QoS.AT_MOST_ONCE,
        retain=False,
    )
    client.publish(message, include_dtypes=seen["asked"] % 2 == 0)
    seen["asked"] += 1


def heard(client, message):
    kind = str(message.topic.message_type.value)
    metrics = [[it.name, it.datatype.name, it.value, it.is_historical] for it in message.payload.metrics]
    line = {"kind": kind, "device": message.topic.device_id, "seq": message.payload.seq, "metrics": metrics}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    if kind == "NBIRTH":
        seen["NBIRTH"] += 1
        # One of it for births that were there already is one too few.
        if seen["asked"] and seen["DATA"] >= options.data:
            done.set()
    elif kind.endswith("DATA"):
        seen["DATA"] += 1
        if seen["DATA"] == options.data:
            ask(client)


tls = None
if options.tls:
    authority, certificate, key = options.tls
    tls = sp.TLSConfig(ca_certs=authority, certfile=certificate, keyfile=key)
client = sp.Client(client_id=f"host-{options.port}", transport_config=tls)
# Not commands: it ends at one without a datatype, which others may send.
for kind, device in (("NBIRTH", None), ("NDATA", None), ("DBIRTH", "+"), ("DDATA", "+")):
    topic = sp.Topic(
        group_id=options.group, message_type=sp.MessageType(kind), edge_node_id=options.node, device_id=device
    )
    client.subscribe(topic, sp.QoS.AT_LEAST_ONCE, heard)
client.connect(
    "127.0.0.1", port=options.port, blocking=False, callback=lambda _: print('{"kind": "ready"}', flush=True)
)
sys.exit(0 if done.wait(60) else 1)

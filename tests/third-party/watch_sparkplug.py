"""Everything that a broker hears under spBv1.0, as a line of JSON each, decoded with the protobuf of the unmodified PyPI pysparkplug.

Commands come as lines of JSON on the standard input: {"topic", "hex" or "text" or "metrics": [[name, datatype, value]], "qos", "retain"}.
With --acknowledge it is a host that says what it has.
"""

import argparse
import json
import ssl
import sys
import threading
import time

from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from pysparkplug._protobuf import Payload

options = argparse.ArgumentParser()
options.add_argument("port", type=int)
options.add_argument("--tls", nargs=3)
options.add_argument("--acknowledge", action="store_true")
options = options.parse_args()

lock = threading.Lock()


def say(what):
    with lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def number(field, value):
    """Integers are unsigned on the wire."""
    return value - (1 << 64) if field == "long_value" and value >> 63 else value


def metric(it):
    field = it.WhichOneof("value")
    value = None
    if field == "template_value":
        of = it.template_value
        value = {
            "definition": of.is_definition,
            "ref": of.template_ref if of.HasField("template_ref") else None,
            "metrics": [metric(member) for member in of.metrics],
        }
    elif field:
        value = number(field, getattr(it, field))
    properties = {}
    for key, of in zip(it.properties.keys, it.properties.values, strict=True):
        properties[key] = getattr(of, of.WhichOneof("value"))
    return {
        "name": it.name if it.HasField("name") else None,
        "alias": it.alias if it.HasField("alias") else None,
        "timestamp": it.timestamp if it.HasField("timestamp") else None,
        "datatype": it.datatype if it.HasField("datatype") else None,
        "historical": it.is_historical,
        "null": it.is_null,
        "value": value,
        "properties": properties,
    }


queues = {}
have = {}


def acknowledge(client, topic, metrics):
    """What a record follows, and its own number: then everything up to it is here."""
    changed = set()
    node = tuple(topic.split("/")[1:4:2])
    for it in metrics:
        members = it["value"]["metrics"] if isinstance(it["value"], dict) else [it]
        if it["name"] == "Tactus/Queue":
            if queues.get(node) != it["value"]:
                have.clear()
            queues[node] = it["value"]
        for member in members:
            of = member["properties"]
            if "Sequence" in of and of["After"] <= have.get((node, of["Class"]), 0):
                have[node, of["Class"]] = max(have.get((node, of["Class"]), 0), of["Sequence"])
                changed.add(of["Class"])
    for word in changed:
        text = f"{queues[node]} {word} {have[node, word]}"
        command(client, f"spBv1.0/{node[0]}/NCMD/{node[1]}", [["Tactus/Acknowledge", 12, text]], 0, False)


def on_message(client, _, message):
    said = {"topic": message.topic, "qos": message.qos, "retain": bool(message.retain), "at": time.time()}
    if message.topic.startswith("spBv1.0/STATE/"):
        say({**said, "text": message.payload.decode()})
        return
    try:
        payload = Payload.FromString(message.payload)
        said["timestamp"] = payload.timestamp if payload.HasField("timestamp") else None
        said["seq"] = payload.seq if payload.HasField("seq") else None
        said["metrics"] = [metric(it) for it in payload.metrics]
    except Exception as wrong:
        said["wrong"] = str(wrong)
    # First written, then acknowledged.
    say(said)
    if options.acknowledge and "/NCMD/" not in message.topic and "metrics" in said:
        acknowledge(client, message.topic, said["metrics"])


def command(client, topic, metrics, qos, retain):
    payload = Payload(timestamp=int(time.time() * 1000))
    for name, datatype, value in metrics:
        it = payload.metrics.add(name=name)
        if datatype is not None:
            it.datatype = datatype
        if isinstance(value, bool):
            it.boolean_value = value
        elif isinstance(value, str):
            it.string_value = value
        elif isinstance(value, float):
            it.double_value = value
        else:
            it.long_value = value
    client.publish(topic, payload.SerializeToString(), qos, retain)


def on_connect(client, *_):
    client.subscribe("spBv1.0/#", options=SubscribeOptions(qos=1, retainAsPublished=True))


def on_subscribe(client, *_):
    say({"topic": "subscribed", "at": time.time()})
    # What was said while it was away, births above all, is not kept for it.
    for group, node in list(queues) if options.acknowledge else []:
        command(client, f"spBv1.0/{group}/NCMD/{node}", [["Node Control/Rebirth", 11, True]], 0, False)


client = paho.Client(client_id=f"watch-{options.port}", protocol=paho.MQTTv5)
if options.tls:
    authority, certificate, key = options.tls
    client.tls_set(authority, certificate, key, tls_version=ssl.PROTOCOL_TLS_CLIENT)
client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.reconnect_delay_set(1, 1)
never = Properties(PacketTypes.CONNECT)
never.SessionExpiryInterval = 3600
while True:
    try:
        client.connect("127.0.0.1", options.port, keepalive=10, clean_start=False, properties=never)
        break
    except OSError:
        time.sleep(0.1)
client.loop_start()
for line in sys.stdin:
    it = json.loads(line)
    qos, retain = it.get("qos", 0), it.get("retain", False)
    if "metrics" in it:
        command(client, it["topic"], it["metrics"], qos, retain)
    else:
        raw = bytes.fromhex(it["hex"]) if "hex" in it else it["text"].encode()
        client.publish(it["topic"], raw, qos, retain)

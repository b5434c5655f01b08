"""Reads a trace as a viewer of the Trace Event Format does, and checks what a viewer relies on. Knows nothing of tactus' code.

Checked: known event types with their fields; every B has its E; slices of a track lie within each other or side by side; time never
goes back on a track; tracks have names; counters are numbers."""
import json
import sys
from collections import Counter, defaultdict


def check(path):
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    events = trace["traceEvents"]
    kinds = Counter(event["ph"] for event in events)
    last, stacks, named = {}, defaultdict(list), set()
    for event in events:
        kind, track = event["ph"], (event["pid"], event.get("tid"))
        assert isinstance(event["name"], str) and event["name"], event
        if kind == "M":
            assert event["name"] in ("process_name", "thread_name"), event
            assert isinstance(event["args"]["name"], str), event
            named.add(track)
            continue
        at = round(event["ts"] * 1000)
        if kind == "C":
            track = (event["pid"], event["name"])
            assert event["args"] and all(
                isinstance(value, (int, float)) for value in event["args"].values()
            ), event
        assert at >= last.get(track, at), f"goes back in time: {event}"
        last[track] = at
        stack = stacks[track]
        while stack and isinstance(stack[-1], int) and stack[-1] <= at:
            stack.pop()
        if kind == "X":
            end = at + round(event["dur"] * 1000)
            assert end >= at, event
            assert not stack or end <= stack[-1], f"reaches beyond its parent: {event}"
            stack.append(end)
        elif kind == "B":
            stack.append(event["name"])
        elif kind == "E":
            assert stack and stack.pop() == event["name"], event
        elif kind == "i":
            assert event["s"] in ("g", "p", "t"), event
        else:
            assert kind == "C", f"unknown type: {event}"
        assert kind == "C" or track in named, f"a track without a name: {event}"
    for track, stack in stacks.items():
        assert not any(isinstance(item, str) for item in stack), f"begun and never ended: {track}"
    return kinds


def planted():
    """The check finds what it is for."""
    slice_of = {"ph": "X", "pid": 1, "tid": 1, "name": "a"}
    name = {"ph": "M", "pid": 1, "tid": 1, "name": "thread_name", "args": {"name": "t"}}
    wrong = [
        [name, {**slice_of, "ts": 0, "dur": 2}, {**slice_of, "ts": 1, "dur": 2}],
        [name, {**slice_of, "ts": 2, "dur": 1}, {**slice_of, "ts": 1, "dur": 1}],
        [name, {**slice_of, "ts": 2, "ph": "B"}],
        [{**slice_of, "ts": 2, "dur": 1}],
    ]
    for number, events in enumerate(wrong):
        path = f"{sys.argv[1]}.planted"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"traceEvents": events}, file)
        try:
            check(path)
        except AssertionError:
            continue
        sys.exit(f"planted fault {number} was not found")


planted()
found = check(sys.argv[1])
assert found["X"] > 10_000 and found["C"] > 10_000 and found["i"] > 5, found
print("TRACE", dict(found))

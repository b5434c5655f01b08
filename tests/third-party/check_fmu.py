"""An exported axis twin against what the twin in the loop made of the same data: FMU, CSV of the axis.

The CSV has what the loop's twin was given (position, torque) and what it made of it (velocity, disturbance). The loop knows to the ns
when each drive sampled, the FMU steps with the nominal period: that is the difference that is allowed.
"""

import csv
import sys

import numpy as np
from fmpy import simulate_fmu
from fmpy.model_description import read_model_description
from fmpy.validation import validate_fmu

VELOCITY_WORST = 0.5  # axis units / s, of 900
VELOCITY_MEDIAN = 1e-5
DISTURBANCE_WORST = 0.02  # N m
SETTLING = 1000  # cycles until the FMU, which begins in the middle, knows what the loop knew

fmu, data = sys.argv[1:3]
problems = validate_fmu(fmu)
assert not problems, problems
with open(data, newline="") as file:
    rows = list(csv.DictReader(file))
starts = {v.name: v.start for v in read_model_description(fmu).modelVariables}
period = float(starts["period"])

# The longest stretch without a gap.
times = np.array([float(row["time_s"]) for row in rows])
edges = [0, *(np.where(np.diff(times) > 1.5 * period)[0] + 1), len(rows)]
begin, end = max(zip(edges, edges[1:]), key=lambda edge: edge[1] - edge[0])
assert end - begin > 5 * SETTLING, "too little data"


def column(name):
    return np.array([float(row[name]) for row in rows[begin:end]])


def apart(**changed):
    count = end - begin
    kinds = [(name, float) for name in ("time", "measured_position", "torque_permille")]
    signals = zip(np.arange(count) * period, column("position"), column("torque_permille"))
    out = simulate_fmu(
        fmu,
        stop_time=(count - 1) * period,
        step_size=period,
        output_interval=period,
        input=np.array(list(signals), dtype=kinds),
        output=["velocity", "disturbance"],
        start_values=changed,
    )
    assert len(out) == count, (len(out), count)
    # What is read after a step is the estimate for the input that was set before it.
    velocity = np.abs(out["velocity"][1:] - column("velocity")[:-1])[SETTLING:]
    disturbance = np.abs(out["disturbance"][1:] - column("disturbance_nm")[:-1])[SETTLING:]
    return velocity.max(), np.median(velocity), disturbance.max()


def same(worst, median, disturbance):
    return worst < VELOCITY_WORST and median < VELOCITY_MEDIAN and disturbance < DISTURBANCE_WORST


found = apart()
print("velocity worst, median; disturbance worst:", *found)
assert same(*found), found
planted = apart(inertia=1.5 * float(starts["inertia"]))
assert not same(*planted), f"a wrong inertia was not found: {planted}"
planted = apart(coulomb=float(starts["coulomb"]) + 0.1)
assert not same(*planted), f"a wrong friction was not found: {planted}"

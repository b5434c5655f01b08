"""The axis observer once more, from its equations in docs/twin.md, with NumPy: what `examples/trace observer` printed must be the same.

The gains come from the stable subspace of the symplectic pencil (Pappas, Laub, Sandell 1980), not from iterating the recursion as the
library does. Bounds: standard deviations to 1e-8 of their value, estimates to 1e-8 of the largest that there is.
"""

import sys

import numpy as np

UNITS = 10.0 / (2.0 * np.pi)
INERTIA, RATED, PEAK, VISCOUS, COULOMB, GRAVITY = 1.2e-4, 1.27, 3.8, 2e-4, 0.08, 0.1
PERIOD = 1e-3
BOUND = 1e-8


def design():
    per_nm = UNITS / INERTIA
    measured = (2.0 * np.pi * UNITS / 8192.0) ** 2
    acceleration = (0.02 * PEAK * per_nm) ** 2 * 1e-3
    drift = (RATED * per_nm) ** 2 / 0.05
    keep = 1.0 / (1.0 + VISCOUS / INERTIA * PERIOD)
    f = np.array([[1.0, PERIOD, 0.5 * PERIOD**2], [0.0, keep, PERIOD], [0.0, 0.0, 1.0]])
    h = np.array([[1.0, 0.0, 0.0]])
    g = np.array([[0.5 * PERIOD], [1.0], [0.0]])
    q = acceleration * PERIOD * (g @ g.T) + np.diag([0.0, 0.0, drift * PERIOD])
    # Balanced: without it the states differ by a factor of 10^9 and the subspace is lost in rounding.
    scale = np.diag([1.0, PERIOD, PERIOD**2])
    f, q, h = scale @ f @ np.linalg.inv(scale), scale @ q @ scale, h @ np.linalg.inv(scale)
    q, r = q / measured, np.array([[1.0]])
    s = h.T @ np.linalg.inv(r) @ h
    pencil = np.block([[f.T + s @ np.linalg.inv(f) @ q, -s @ np.linalg.inv(f)], [-np.linalg.inv(f) @ q, np.linalg.inv(f)]])
    values, vectors = np.linalg.eig(pencil)
    stable = vectors[:, np.abs(values) < 1.0]
    assert stable.shape[1] == 3, values
    predicted = np.real(stable[3:] @ np.linalg.inv(stable[:3]))
    residual = f @ (predicted - predicted @ h.T @ np.linalg.inv(h @ predicted @ h.T + r) @ h @ predicted) @ f.T + q - predicted
    assert np.abs(residual).max() < 1e-6 * np.abs(predicted).max(), residual
    innovation = (h @ predicted @ h.T + r).item()
    gain = (predicted @ h.T / innovation).ravel()
    updated = predicted - np.outer(gain, h @ predicted)
    back = np.array([1.0, 1.0 / PERIOD, 1.0 / PERIOD**2])
    sigma = np.sqrt(np.diag(updated) * measured) * back
    return gain * back, sigma, np.sqrt(innovation * measured), per_nm


def run(rows, gain, per_nm):
    x = None
    for position, permille in rows:
        if x is None:
            x = np.array([position, 0.0, 0.0])
        else:
            speed = x[1] / UNITS
            friction = VISCOUS * speed + COULOMB * np.clip(speed / 0.5, -1.0, 1.0)
            known = (permille * 1e-3 * RATED - friction - GRAVITY) * per_nm
            a = known + x[2]
            predicted = np.array([x[0] + x[1] * PERIOD + 0.5 * a * PERIOD**2, x[1] + a * PERIOD, x[2]])
            x = predicted + gain * (position - predicted[0])
        yield x[0], x[1], -x[2] / per_nm


def main():
    lines = open(sys.argv[1], encoding="ascii").read().splitlines()
    stated = np.array([float(word) for word in lines[0][1:].split()])
    table = np.array([[float(word) for word in line.split(",")] for line in lines[1:]])
    gain, sigma, innovation, per_nm = design()
    if "--planted" in sys.argv:
        gain = gain * np.array([1.0, 1.001, 1.0])
    mine = np.array([sigma[0], sigma[1], sigma[2] / per_nm, innovation])
    off = np.abs(mine / stated - 1.0).max()
    print(f"standard deviations: largest relative difference {off:.2e}")
    estimates = np.array(list(run(table[:, :2], gain, per_nm)))
    differences = np.abs(estimates - table[:, 2:]).max(axis=0) / np.abs(table[:, 2:]).max(axis=0)
    for name, difference in zip(("position", "velocity", "disturbance"), differences):
        print(f"{name}: largest difference {difference:.2e} of the largest value, {len(table)} cycles")
    if off > BOUND or (differences > BOUND).any():
        sys.exit(f"the observer differs by more than {BOUND}")


if __name__ == "__main__":
    main()

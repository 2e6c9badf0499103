#!/usr/bin/env python3
"""Runs the workloads S, M, E and R on the processor and on the GPU and compares results and times.

    compare.py PICOAMP [OUT.json]

PICOAMP is the program. Ends with 7 if the results of the two differ, with 1 if a run fails. ONLY=X runs those
workloads whose name has X in it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCENES = os.path.join(HERE, "..", "scenes")
QUICK = os.environ.get("QUICK") == "1"
# Of the processor.
THREADS = os.environ.get("THREADS", "2")


def many(n):
    """Independent mismatched neurons under regular trains of 100 Hz, at 0.1 ms."""
    train = 'Regular(rates: "100 Hz", phase: Linear(from: "0 s", to: "9.9 ms"), grid: "100 us")'
    sets = {"sources.input": f"(size: {n}, train: {train})", "populations.dpi.size": n}
    return "m_mismatched", sets


def recurrent(n):
    """A network of n neurons, in-degree 64, without delays: windows of one step."""
    exc = n * 4 // 5
    return "r_recurrent", {
        "sources.noise.size": n,
        "populations.exc.size": exc,
        "populations.inh.size": n - exc,
        "connections.0.neurons": f"Range(from: 0, to: {exc - 1})",
        "connections.1.neurons": f"Range(from: {exc}, to: {n - 1})",
    }


def event_driven(n):
    """The neurons of M from event to event."""
    scene, sets = many(n)
    return scene, {**sets, "solver": 'Event(tolerance: "1 us")'}


# What listens: nothing (the digests are there all the same), or spikes that end in a table.
HEARD = {"probes": '{ "spikes": Spikes(of: "dpi") }'}
WORKLOADS = {
    "S: 200 neurons at 1 ms": ("s_seed", {}),
    "M: 10^4 neurons": many(10**4),
    "E: 10^4 event-driven": event_driven(10**4),
    "R: 5000 neurons": recurrent(5000),
    "R: 5000, event-driven": ("r_recurrent_event", {}),
    # How small a network may be until a GPU does not pay.
    "R: 1000 neurons": recurrent(1000),
    "R: 20000 neurons": recurrent(20000),
    "R: 10^5 neurons, 0.1 s": (recurrent(10**5)[0], {**recurrent(10**5)[1], "duration": "0.1 s"}),
}
# On the GPU also a run of a second and one of several, for what each further second takes; on the processor one of
# a tenth, against the same on the GPU.
LARGE = {
    "M: 10^6 neurons": many(10**6),
    "E: 10^6 event-driven": event_driven(10**6),
    "R: 10^6 neurons": recurrent(10**6),
}
LONGER = {"M": 11, "E": 3, "R": 3}
if not QUICK:
    for name, (scene, sets) in LARGE.items():
        WORKLOADS[f"{name}, 0.1 s"] = (scene, {**sets, "duration": "0.1 s"})
        WORKLOADS[name] = (scene, sets)
        longer = LONGER[name[0]]
        WORKLOADS[f"{name}, {longer} s"] = (scene, {**sets, "duration": f"{longer} s"})
        if not name.startswith("R"):
            WORKLOADS[f"{name}, 0.3 s, a table"] = (scene, {**sets, **HEARD, "duration": "0.3 s"})
ONLY = os.environ.get("ONLY", "")
WORKLOADS = {name: workload for name, workload in WORKLOADS.items() if ONLY in name}


def run(picoamp, backend, workload, sets, repeat):
    """The best of some runs: seconds in the windows, of the back end, of the whole command, digest, work."""
    best = None
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as out:
            scene = os.path.join(SCENES, f"{workload}.ron")
            command = [picoamp, "run", scene, "--backend", backend, "--out", out, "--quiet", "--json"]
            if backend == "cpu":
                command += ["--threads", THREADS]
            for key, value in {"probes": "{}", **sets}.items():
                command += ["--set", f"{key}={value}"]
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        summary = json.loads(done.stdout)
        wall = summary["wall_s"]
        # Neuron-steps; of event-driven neurons neuron-seconds.
        step = summary["solver"].get("dt_s") or 1
        found = {
            "run_s": wall["run"],
            "advance_s": wall["advance"],
            "command_s": time.perf_counter() - began,
            "hash": summary["spike_hash"]["total"],
            "spikes": sum(summary["spikes"].values()),
            "work": round(summary["neurons"] * summary["simulated_s"] / step),
            "hints": summary["hints"],
        }
        if best is None or found["run_s"] < best["run_s"]:
            best = found
    return best


def main():
    picoamp = sys.argv[1]
    backends = os.environ.get("BACKENDS", "cpu,cuda").split(",")
    results, differ = {}, False
    print(f"processor: {THREADS} threads; steps/s of event-driven neurons are neuron-seconds/s")
    print(f"{'workload':28} {'back end':8} {'windows, s':>11} {'advance, s':>11} {'command, s':>11}"
          f" {'steps/s':>9}  spikes")
    for name, (scene, sets) in WORKLOADS.items():
        is_large = name.startswith(tuple(LARGE))
        of = [b for b in backends if b != "cpu" or not is_large or name.endswith("0.1 s")]
        results[name] = {b: run(picoamp, b, scene, sets, 1 if is_large else 3) for b in of}
        for backend, found in results[name].items():
            rate = found["work"] / found["run_s"]
            print(
                f"{name:28} {backend:8} {found['run_s']:11.4f} {found['advance_s']:11.4f}"
                f" {found['command_s']:11.4f} {rate:9.2e}  {found['spikes']}"
            )
        longer = LONGER[name[0]] if is_large else None
        if longer and name.endswith(f", {longer} s"):
            # What starts a run (biases of all neurons to the banks, and to the device) is in both.
            second = {b: results[name.removesuffix(f", {longer} s")][b] for b in of}
            for backend, found in results[name].items():
                each = (found["run_s"] - second[backend]["run_s"]) / (longer - 1)
                rate = found["work"] / longer / each
                print(f"{'':28} {backend:8} {each:11.4f} {'each further second':>36} {rate:9.2e}")
        if len(of) > 1:
            times = results[name][of[0]]["run_s"] / results[name][of[1]]["run_s"]
            print(f"{'':28} {of[1]} is {times:.2f} times as fast")
        hashes = {found["hash"] for found in results[name].values()}
        if name.endswith("a table"):
            # Of these spikes the host makes the digest, of those that nobody hears the device.
            hashes.add(run(picoamp, "cuda", scene, {**sets, "probes": "{}"}, 1)["hash"])
        if len(hashes) > 1:
            differ = True
            print(f"{name}: THE RESULTS DIFFER: {hashes}")
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w") as out:
            json.dump(results, out, indent=1)
    sys.exit(7 if differ else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs picoamp and its peers on the workloads S, M and R, and prints one table of medians.

    cargo build --release
    python3 -m venv target/peers
    target/peers/bin/pip install -r benches/peers/requirements.txt
    target/peers/bin/python benches/peers/compare.py

The programs run one after the other. In M the peers get the biases that picoamp drew, so that the
spikes can be compared as well; in R each program draws arrivals and edges of its own.

picoamp's seconds are `wall_s.run` of its summary, each of a process of its own: sources, routing
and the record of all spikes are in it. Those of the peers are of the steps alone: see their
scripts.
"""

import argparse
import json
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
SCENES = {"S": "s_seed", "M": "m_mismatched", "R": "r_recurrent"}
EVENT_DRIVEN = {"R": "r_recurrent_event"}
# Script, mode, workloads, and the part of the second that is simulated where all of it takes long.
PEERS = [
    ("torch", "torch_euler.py", "compile", "SM", {}),
    ("torch", "torch_euler.py", "eager", "SM", {}),
    ("torch", "torch_euler.py", "dense", "SM", {"M": 0.002}),
    ("Brian2", "brian2_euler.py", "default", "SMR", {}),
    ("Brian2", "brian2_euler.py", "tuned", "SMR", {}),
]


def called(prefix, command):
    """What the command printed as JSON."""
    done = subprocess.run(
        [*prefix, *map(str, command)], text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout[done.stdout.index("{"):])


def run_of(args, scene, folder, *more):
    """The command that runs a scene."""
    path = HERE.parent / "scenes" / f"{scene}.ron"
    return [args.picoamp, "run", path, "--json", "--force", "--out", f"{folder}/{scene}", *more]


def drawn(args, folder):
    """The tables of the biases that picoamp draws in M."""
    called(args.prefix, run_of(args, SCENES["M"], folder, "--dump", "biases"))
    return list(pathlib.Path(folder).rglob("*.biases.csv"))


def picoamp(args, scene, threads, folder):
    """The median of whole runs of a scene."""
    command = run_of(args, scene, folder, "--threads", threads)
    runs = [called(args.prefix, command) for _ in range(args.repeat)]
    seconds = statistics.median(run["wall_s"]["run"] for run in runs)
    first = runs[0]
    steps = first["solver"].get("dt_s") and round(first["duration_s"] / first["solver"]["dt_s"])
    return {"s": seconds, "spikes": sum(first["spikes"].values()), "note": "",
            "neuron_steps": steps and first["neurons"] * steps}


def peer(args, script, mode, workload, threads, duration, biases):
    """The median that a peer's script reports, for one simulated second."""
    command = [args.python, HERE / script, "--workload", workload, "--mode", mode, "--json",
               "--threads", threads, "--repeat", args.repeat, "--duration", duration]
    if biases:
        command += ["--biases", *biases]
    run = called(args.prefix, command)
    scaled = f"{run['steps']} steps, scaled" if duration < 1 else ""
    return {"s": run["median_s"] / duration, "spikes": run["spikes"] if duration == 1 else "–",
            "neuron_steps": run["neurons"] * run["steps"] / duration, "note": scaled}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picoamp", default=HERE.parents[1] / "target" / "release" / "picoamp")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with the peers")
    parser.add_argument("--workloads", default="SMR")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="S has one only")
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="programs to compare with picoamp, for example 'Brian2|torch compile'")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--prefix", type=shlex.split, default=[],
                        help="before each command, for example 'taskset -c 0,1'")
    args = parser.parse_args()
    if not pathlib.Path(args.picoamp).is_file():
        parser.error(f"{args.picoamp} is missing: cargo build --release, or name it by --picoamp")

    rows, failed = [], False

    def measure(workload, program, threads, measurement, *details):
        """Adds a row; what failed is told and left out."""
        nonlocal failed
        try:
            row = measurement(args, *details)
        except (RuntimeError, OSError, ValueError) as error:
            print(f"{program}, {workload}, {threads} thread(s) failed: {error}", file=sys.stderr)
            failed = True
            return None
        print(f"{workload}, {program}, {threads} thread(s): {row['s']:.4g} s", file=sys.stderr)
        rows.append((workload, program, threads, row))
        return row["s"]

    own = {}
    with tempfile.TemporaryDirectory() as folder:
        for workload in args.workloads:
            biases = drawn(args, f"{folder}/biases") if workload == "M" else []
            for threads in [1] if workload == "S" else args.threads:
                own[workload, threads] = measure(
                    workload, "picoamp", threads, picoamp, SCENES[workload], threads, folder)
                if workload in EVENT_DRIVEN and re.search(args.only, "event-driven"):
                    measure(workload, "picoamp event-driven", threads,
                            picoamp, EVENT_DRIVEN[workload], threads, folder)
                for name, script, mode, workloads, part in PEERS:
                    program = f"{name} {mode}"
                    if workload in workloads and re.search(args.only, program):
                        measure(workload, program, threads, peer,
                                script, mode, workload, threads, part.get(workload, 1), biases)

    print("| workload | program | threads | s | neuron-steps/s | picoamp's time times | spikes |\n"
          "|---|---|---|---|---|---|---|")
    for workload, program, threads, row in rows:
        speed = f"{row['neuron_steps'] / row['s']:.2e}" if row["neuron_steps"] else "–"
        base = own[workload, threads]
        ratio = f"{row['s'] / base:.3g}" if base else "–"
        note = f" ({row['note']})" if row["note"] else ""
        print(f"| {workload} | {program} | {threads} | {row['s']:.3g}{note} | {speed} | {ratio} "
              f"| {row['spikes']} |")
    sys.exit(failed)


if __name__ == "__main__":
    main()

"""The workloads S, M and R of ../README.md, for peers: biases, arrivals, command line, report.

Only numpy; nothing of picoamp, except that --biases reads the table that
`picoamp run SCENE --dump biases` writes. Currents in ampere, times in second.
"""

import argparse
import csv
import json
import platform
import statistics

import numpy as np

I0 = 0.5e-13  # dark current: no current falls below it
UT = 25e-3  # thermal voltage, V
KAPPA = 0.705  # slope factor
C_SOMA, C_SYNAPSE = 3e-12, 2e-12  # F
IDC, ITH, IPFB_NORM = 10e-12, 12e-3, 1.4e9  # Ipfb_norm per ampere
# The power-law feedback is FEEDBACK * Imem^EXPONENT / (1 + exp(-IPFB_NORM * Imem)).
EXPONENT = KAPPA / (KAPPA + 1)
FEEDBACK = I0 ** (1 / (KAPPA + 1))

MISMATCHED = ["soma.Itau", "soma.Igain", "ampa.Itau", "ampa.Igain", "ampa.Iw"]
NOMINAL = dict(zip(MISMATCHED, [4e-12, 80e-12, 2e-12, 20e-12, 200e-12]))
R_IW = 10e-12  # ampa.Iw of R, which is recurrent
CV = 0.1
RATE = 100.0  # Hz, of each source in M and R
EXCITATORY = 0.8  # part of the neurons of R, the first ones
IN_DEGREE = {"ampa": 51, "gabab": 13}  # of each neuron of R, from excitatory and inhibitory ones
SEED_OUTPUT = 5579  # spikes of S in 1 s at 1 ms

SIZE = {"S": 200, "M": 10_000, "R": 5_000}
DT = {"S": 1e-3, "M": 1e-4, "R": 1e-4}


def arguments(doc, workloads, modes):
    """The command line that all peers share; adds `dt` and `steps`."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--workload", choices=workloads, default=workloads[0])
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--n", type=int, help="neurons instead of the workload's (M and R)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="(PyTorch only)")
    parser.add_argument("--duration", type=float, default=1.0, help="simulated seconds")
    parser.add_argument("--repeat", type=int, default=5, help="timed runs")
    parser.add_argument("--biases", nargs="+", metavar="FILE", help="<population>.biases.csv: "
                        "biases drawn by picoamp, instead of our own draws")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    args = parser.parse_args()
    if args.workload == "S" and args.n not in (None, SIZE["S"]):
        parser.error("S has 200 neurons: neuron i is driven by i Hz")
    args.n = args.n or SIZE[args.workload]
    args.dt = DT[args.workload]
    args.steps = round(args.duration / args.dt)
    return args


def biases(args):
    """Each bias as an array over the neurons: of a file, or drawn; equal in S."""
    if args.biases:
        rows = [row for path in args.biases for row in csv.DictReader(open(path))]
        if len(rows) != args.n:
            raise SystemExit(f"{' '.join(args.biases)}: {len(rows)} neurons, {args.n} needed")
        return {key: np.array([float(row[key]) for row in rows]) for key in MISMATCHED}
    nominal = dict(NOMINAL, **({"ampa.Iw": R_IW} if args.workload == "R" else {}))
    cv = 0.0 if args.workload == "S" else CV
    rng = np.random.default_rng(1)
    return {
        key: np.maximum(value * (1 + cv * rng.standard_normal(args.n)), I0)
        for key, value in nominal.items()
    }


def constants(args):
    """What one step of Euler needs of each neuron, computed once, in double precision.

    alpha, beta, itau, igain: of the soma; rate: dt/tau of the soma; jump: of Iampa at a pulse;
    decay: dt/tau of the synapse.
    """
    b = biases(args)
    tau = C_SOMA * UT / (KAPPA * b["soma.Itau"])
    tau_ampa = C_SYNAPSE * UT / (KAPPA * b["ampa.Itau"])
    return {
        "alpha": b["soma.Igain"] / b["soma.Itau"],
        "beta": I0 / b["soma.Itau"],
        "itau": b["soma.Itau"],
        "igain": b["soma.Igain"],
        "rate": args.dt / tau,
        "jump": b["ampa.Igain"] / b["ampa.Itau"] * b["ampa.Iw"],
        "decay": args.dt / tau_ampa,
    }


# GABA_B of R: equal in all neurons, with the nominal biases of its AMPA.
GABAB_JUMP = NOMINAL["ampa.Igain"] / NOMINAL["ampa.Itau"] * R_IW
GABAB_DECAY = DT["R"] / (C_SYNAPSE * UT / (KAPPA * NOMINAL["ampa.Itau"]))


def arrivals(args):
    """The regular trains of S and M: (step, neuron) of every arrival, by step."""
    neuron = np.arange(args.n)
    if args.workload == "S":  # neuron i: i Hz, the period cut down to whole steps, from step 0 on
        first = np.where(neuron == 0, args.steps, 0)
        period = 1000 // np.maximum(neuron, 1)
    else:  # 100 Hz each, the first arrivals spread evenly over the period of 100 steps
        first = np.floor(neuron * 99 / max(args.n - 1, 1) + 0.5).astype(int)
        period = np.full(args.n, round(1 / RATE / args.dt))
    trains = [np.arange(f, args.steps, p) for f, p in zip(first, period)]
    step = np.concatenate(trains)
    source = np.repeat(neuron, [len(train) for train in trains])
    order = np.argsort(step, kind="stable")
    return step[order], source[order]


def report(args, tool, versions, seconds, spikes):
    """Prints what was measured: `seconds` of stepping of each timed run, and the spikes of one."""
    median = statistics.median(seconds)
    result = {
        "tool": tool,
        "versions": {**versions, "python": platform.python_version()},
        "workload": args.workload,
        "mode": args.mode,
        "device": args.device,
        "threads": args.threads,
        "neurons": args.n,
        "steps": args.steps,
        "seconds": seconds,
        "median_s": median,
        "neuron_steps_per_s": args.n * args.steps / median,
        "spikes": int(spikes),
    }
    if args.json:
        print(json.dumps(result))
    else:
        print(f"{tool} {args.mode}, {args.workload}: {args.n} neurons, {args.steps} steps, "
              f"{args.threads} thread(s): {median:.4g} s (median of {len(seconds)}), "
              f"{result['neuron_steps_per_s']:.3g} neuron-steps/s, {spikes} spikes")
    if args.workload == "S" and args.steps == 1000 and spikes != SEED_OUTPUT:
        raise SystemExit(f"{tool}: {spikes} spikes, the published code gives {SEED_OUTPUT}")

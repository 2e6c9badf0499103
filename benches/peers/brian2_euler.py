#!/usr/bin/env python3
"""The Euler step of `arcana` in Brian2, C++ standalone, in single precision: workloads S, M and R.

    python brian2_euler.py --workload R --threads 2

Modes:
  default  Brian2's own compiler flags;
  tuned    flags with which gcc vectorises the update: without -fno-finite-math-only, which keeps it
           from libmvec, and with as many run-time checks for overlap as the arrays need.

The update is explicit code (`run_regularly`): a state updater would let the synapse decay from the
jumped current, where the published order takes the old one. Constants are shared variables, since
Brian2 writes plain numbers and names of a namespace as double precision.

Counts spikes and records no times. Timed is the loop over the steps, as the compiled program tells
it; code generation, compilation, the creation of synapses and files are not.
"""

import pathlib
import tempfile

import brian2 as b2
import numpy as np
from brian2 import Hz, second

import workloads as w

FLAGS = {
    "default": None,
    "tuned": ["-w", "-O3", "-ffast-math", "-march=native", "-std=c++11",
              "--param=vect-max-version-for-alias-checks=1000"],
}

# refP is 0: no gate. NMDA, which is not driven, rests at I0, and so does GABA_B in S and M.
STEP = """
    old_ampa = Iampa
    Iampa = Iampa + jump * ampa_pulses
    {gabab_arrives}
    Iin = at_least(IDC + Iampa + I0 - {gabab}, I0)
    feedback = FEEDBACK * Imem**EXPONENT / (ONE + exp(-IPFB_NORM * Imem))
    drive = alpha * (Iin - itau - I0) - Imem - beta * Imem + feedback / itau * (Imem + igain)
    Imem = at_least(Imem + rate * drive / (ONE + igain / Imem), I0)
    Iampa = at_least(Iampa - decay * old_ampa, I0)
    ampa_pulses = 0
    {gabab_decays}
"""
AMPA_ONLY = {"gabab": "I0", "gabab_arrives": "", "gabab_decays": ""}
WITH_GABAB = {
    "gabab": "Igabab",
    "gabab_arrives": "old_gabab = Igabab; Igabab = Igabab + GABAB_JUMP * gabab_pulses",
    "gabab_decays": "Igabab = at_least(Igabab - GABAB_DECAY * old_gabab, I0); gabab_pulses = 0",
}


@b2.implementation("cpp", """
inline float at_least(float x, float floor) { return x < floor ? floor : x; }
""")
@b2.check_units(x=1, floor=1, result=1)
def at_least(x, floor):
    """Brian2's clip compares in double precision."""
    return np.maximum(x, floor)


def neurons(args):
    """The neurons; they are advanced after the arrivals of a step, then compared with Ith."""
    own = w.constants(args)
    shared = {name: getattr(w, name) for name in
              ["I0", "IDC", "ITH", "IPFB_NORM", "FEEDBACK", "EXPONENT",
               "GABAB_JUMP", "GABAB_DECAY"]}
    shared["ONE"] = 1.0
    state = {"Imem": w.I0, "Iampa": w.I0, "ampa_pulses": 0}
    if args.workload == "R":
        state |= {"Igabab": w.I0, "gabab_pulses": 0}
    equations = ([f"{name} : 1" for name in state] + [f"{name} : 1 (constant)" for name in own]
                 + [f"{name} : 1 (shared, constant)" for name in shared])
    dpi = b2.NeuronGroup(args.n, "\n".join(equations), threshold="Imem >= ITH", reset="Imem = I0")
    for name, value in (state | own | shared).items():
        setattr(dpi, name, value)
    code = STEP.format(**(WITH_GABAB if args.workload == "R" else AMPA_ONLY))
    dpi.run_regularly(code, when="groups")
    dpi.thresholder["spike"].when = "after_groups"
    return dpi


def sources(args):
    """Regular trains for S and M, a Poisson source for each neuron of R."""
    if args.workload == "R":
        return b2.PoissonGroup(args.n, w.RATE * Hz)
    step, neuron = w.arrivals(args)
    return b2.SpikeGeneratorGroup(args.n, neuron, step * args.dt * second)


def projections(args, dpi, input):
    """One edge of each source to its neuron; in R also the random edges between neurons."""
    own = b2.Synapses(input, dpi, on_pre="ampa_pulses_post += 1")
    own.connect(j="i")
    if args.workload != "R":
        return [own]
    rng = np.random.default_rng(2)
    excitatory = int(w.EXCITATORY * args.n)
    projections = [own]
    for receptor, first, end in [("ampa", 0, excitatory), ("gabab", excitatory, args.n)]:
        k = w.IN_DEGREE[receptor]
        edges = b2.Synapses(dpi, dpi, on_pre=f"{receptor}_pulses_post += 1")
        edges.connect(i=rng.integers(first, end, args.n * k), j=np.repeat(np.arange(args.n), k))
        projections.append(edges)
    return projections


def main():
    args = w.arguments(__doc__, ["S", "M", "R"], list(FLAGS))
    with tempfile.TemporaryDirectory() as folder:
        b2.set_device("cpp_standalone", build_on_run=False)
        b2.prefs.core.default_float_dtype = np.float32
        b2.prefs.devices.cpp_standalone.openmp_threads = args.threads if args.threads > 1 else 0
        if FLAGS[args.mode]:
            b2.prefs.codegen.cpp.extra_compile_args_gcc = FLAGS[args.mode]
        b2.defaultclock.dt = args.dt * second
        b2.seed(1)

        dpi, input = neurons(args), sources(args)
        count = b2.SpikeMonitor(dpi, record=False, when="after_groups", order=1)
        net = b2.Network(dpi, input, projections(args, dpi, input), count)
        # In a step first the sources fire, then arrive their spikes and those that neurons fired in
        # the step before; then the neurons advance.
        net.schedule = ["start", "thresholds", "synapses", "groups", "resets", "end"]
        net.run(args.steps * args.dt * second)
        b2.device.build(directory=folder, run=False)

        seconds = []
        for _ in range(args.repeat):
            b2.device.run()
            info = pathlib.Path(b2.device.results_dir, "last_run_info.txt").read_text()
            seconds.append(float(info.split()[0]))
        w.report(args, "brian2", {"brian2": b2.__version__}, seconds, count.num_spikes)


if __name__ == "__main__":
    main()

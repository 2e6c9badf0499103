#!/usr/bin/env python3
"""The Euler step of `arcana` in PyTorch, in single precision: workloads S and M.

    python torch_euler.py --workload M --mode compile --threads 2

Modes:
  eager    one operator after the other, as the published code does, but the arrivals come as a
           list for each step, without a product with weights;
  dense    eager, with the pulses as the product of a dense matrix of weights, rounded in each
           step, as the published code has it (for each of four receptors; here for the one used);
  compile  torch.compile of up to 20 steps at once: one loop over the neurons for all of them, and
           20 times fewer calls (slower with one step, and with 50).

Counts the spikes of each neuron and records no times. Timed are the steps, with the writing of
arrivals; imports, compilation and the list of arrivals are not.
"""

import itertools
import time

import numpy as np
import torch

import workloads as w


def step(imem, iampa, pulses, p):
    """One step; returns the membrane, the synapse and who spiked. refP is 0: no gate."""
    old = iampa
    iampa = iampa + p["jump"] * pulses
    # The other receptors rest at I0: NMDA adds it, GABA_B subtracts it.
    iin = torch.clamp_min(w.IDC + iampa + w.I0 - w.I0, w.I0)
    feedback = w.FEEDBACK * imem**w.EXPONENT / (1 + torch.exp(-w.IPFB_NORM * imem))
    change = (
        p["alpha"] * (iin - p["itau"] - w.I0)
        - imem
        - p["beta"] * imem
        + feedback / p["itau"] * (imem + p["igain"])
    ) / (1 + p["igain"] / imem)
    imem = torch.clamp_min(imem + p["rate"] * change, w.I0)
    iampa = torch.clamp_min(iampa - p["decay"] * old, w.I0)
    spike = imem >= w.ITH
    return torch.where(spike, w.I0, imem), iampa, spike


def steps(imem, iampa, count, pulses, p):
    """A step for each row of `pulses`."""
    for row in pulses:
        imem, iampa, spike = step(imem, iampa, row, p)
        count = count + spike
    return imem, iampa, count


def main():
    args = w.arguments(__doc__, ["S", "M"], ["compile", "eager", "dense"])
    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    p = {key: torch.tensor(value, dtype=torch.float32) for key, value in w.constants(args).items()}

    # Steps in one call: as many, up to 20, as divide the run.
    unroll = 1
    if args.mode == "compile":
        unroll = max(k for k in range(1, 21) if args.steps % k == 0)
    advance = torch.compile(steps, dynamic=False) if args.mode == "compile" else steps

    # The arrivals of each chunk of steps, as positions in its table of pulses.
    at, neuron = w.arrivals(args)
    positions = torch.tensor(at % unroll * args.n + neuron)
    ends = np.searchsorted(at, np.arange(0, args.steps + 1, unroll)).tolist()
    chunks = [positions[start:end] for start, end in itertools.pairwise(ends)]
    weights = 0.7 * torch.eye(args.n) if args.mode == "dense" else None

    def run(chunks):
        imem, iampa = torch.full((args.n,), w.I0), torch.full((args.n,), w.I0)
        count = torch.zeros(args.n, dtype=torch.int32)
        pulses = torch.zeros(unroll, args.n)
        for chunk in chunks:
            pulses.zero_().view(-1).index_fill_(0, chunk, 1)
            seen = pulses
            if weights is not None:
                seen = torch.nn.functional.linear(pulses, torch.round(weights))
            imem, iampa, count = advance(imem, iampa, count, seen, p)
        return int(count.sum())

    with torch.no_grad():
        run(chunks[:3])  # compiles
        seconds = []
        for _ in range(args.repeat):
            start = time.perf_counter()
            spikes = run(chunks)
            seconds.append(time.perf_counter() - start)
    w.report(args, "torch", {"torch": torch.__version__}, seconds, spikes)


if __name__ == "__main__":
    main()

//! Names and references that do not exist, are missing or do not fit together.

use super::*;

#[test]
fn misspelt_names() {
    insta::assert_snapshot!(table(&[
        ("a field of the scene", &[("duration:", "duratoin:")]),
        ("a field of a source", &[("size: 4, train", "sise: 4, train")]),
        ("a field of a train", &[("rates:", "rate:")]),
        ("a field of a population", &[("mismatch:", "missmatch:")]),
        ("a bias of the soma", &[("Itau: \"4 pA\"", "Itua: \"4 pA\"")]),
        ("a bias of a synapse", &[("Iw:", "Iwt:")]),
        ("a receptor of the model", &[("ampa: (", "amap: (")]),
        ("a field of a connection", &[("weight:", "wieght:")]),
        ("a field of a probe", &[("every:", "evrey:")]),
        ("a field of the solver", &[("Euler(dt:", "Euler(step:")]),
        ("a bias in mismatch", &[("\"soma.Itau\"", "\"soma.Itua\"")]),
        ("a bias in mismatch without its circuit", &[("\"soma.Itau\"", "\"Itau\"")]),
        ("a bias of a circuit that is not there", &[("\"soma.Itau\"", "\"gabab.Itau\"")]),
        ("a solver", &[("Euler(", "Eular(")]),
        ("a train", &[("Regular(", "Regulra(")]),
        ("a mismatch law", &[("Gaussian", "Gausian")]),
        ("a connection rule", &[("OneToOne", "OneToone")]),
        ("a receptor", &[("receptor: ampa", "receptor: nmda")]),
        ("a probe", &[("Spikes(of", "Spike(of")]),
        ("a variable", &[("[Vmem]", "[Vmme]")]),
        ("a model", &[("arcana(", "arcane(")]),
        ("a model by name", &[("model: arcana(", "init: {}, model: Named(\"fast\"), x: arcana(")]),
        (
            "a model by name, the nearest one",
            &[
                ("    populations", "    models: { \"fast\": arcana(soma: (Ipfb_norm: \"1 /A\")) },\n    populations"),
                ("model: arcana(", "model: Named(\"fats\"), x: arcana("),
            ],
        ),
        ("a state variable in init", &[("mismatch: {", "init: { \"Imen\": \"1 pA\" }, mismatch: {")]),
    ]), @r#"
    a field of the scene
      bad.ron:1:1 «(»
        `duration` is missing
        help: for example duration: "1 s"
      bad.ron:2:5 «duratoin: "1 s",»
        duratoin: there is no field `duratoin` here
        help: did you mean `duration`? known here are format, name, seed, replicas, duration, window, solver, models, sources, populations, connections, probes, chip, sweep
    a field of a source
      bad.ron:5:18 «(sise: 4, train: Regular»
        sources.input: `size` is missing
        help: for example size: 200
      bad.ron:5:19 «sise: 4, train: Regular(»
        sources.input.sise: there is no field `sise` here
        help: did you mean `size`? known here are size, train
    a field of a train
      bad.ron:5:35 «Regular(rate: "50 Hz")),»
        sources.input.train: `rates` is missing
        help: for example rates: "100 Hz", Linear(from: "0 Hz", to: "199 Hz") or List(["1 Hz", …])
      bad.ron:5:43 «rate: "50 Hz")),»
        sources.input.train.rate: there is no field `rate` here
        help: did you mean `rates`? known here are rates, grid, phase, jitter
    a field of a population
      bad.ron:14:13 «missmatch: { "soma.Itau"»
        populations.dpi.missmatch: there is no field `missmatch` here
        help: did you mean `mismatch`? known here are size, model, mismatch, biases, init, dc
    a bias of the soma
      bad.ron:11:24 «Itua: "4 pA", Igain: "80»
        populations.dpi.model.soma.Itua: there is no field `Itua` here
        help: did you mean `Itau`? known here are C, Itau, Igain, Ith, Ireset, Idc, refP, Ipfb_th, Ipfb_norm
    a bias of a synapse
      bad.ron:12:54 «Iwt: "200 pA"),»
        populations.dpi.model.ampa.Iwt: there is no field `Iwt` here
        help: did you mean `Iw`? known here are C, Itau, Igain, Iw
    a receptor of the model
      bad.ron:12:17 «amap: (Itau: "2 pA", Iga»
        populations.dpi.model.amap: there is no field `amap` here
        help: did you mean `ampa`? known here are I0, UT, kappa, feedback, refractory, pulse, soma, ampa, gabab
    a field of a connection
      bad.ron:18:68 «wieght: 2, delay: "1 ms"»
        connections.0.wieght: there is no field `wieght` here
        help: did you mean `weight`? known here are name, from, to, receptor, rule, weight, delay, plasticity, neurons, to_neurons
    a field of a probe
      bad.ron:22:17 «Trace(of: "dpi", vars: [»
        probes.vmem: `every` is missing
        help: for example every: "1 ms"
      bad.ron:22:65 «evrey: "1 ms"),»
        probes.vmem.evrey: there is no field `evrey` here
        help: did you mean `every`? known here are window, of, vars, neurons, every, format
    a field of the solver
      bad.ron:3:13 «Euler(step: "1 ms"),»
        solver: `dt` is missing
        help: for example Euler(dt: "1 ms")
      bad.ron:3:19 «step: "1 ms"),»
        solver.step: there is no field `step` here
        help: only `dt` is known here
    a bias in mismatch
      bad.ron:14:25 «"soma.Itua": Gaussian(cv»
        populations.dpi.mismatch."soma.Itua": there is no bias `soma.Itua`
        help: did you mean `soma.Itau`? known here are soma.C, soma.Itau, soma.Igain, soma.Ith, soma.Ireset, soma.Idc, soma.refP, soma.Ipfb_th, soma.Ipfb_norm, ampa.C, ampa.Itau, ampa.Igain, ampa.Iw
    a bias in mismatch without its circuit
      bad.ron:14:25 «"Itau": Gaussian(cv: 0.1»
        populations.dpi.mismatch.Itau: there is no bias `Itau`
        help: name its circuit, too: soma.Itau, ampa.Itau
    a bias of a circuit that is not there
      bad.ron:14:25 «"gabab.Itau": Gaussian(c»
        populations.dpi.mismatch."gabab.Itau": this population has no gabab circuit: nothing connects to it
        help: connect something to gabab, or mention it in the model: gabab: ()
    a solver
      bad.ron:3:13 «Eular(dt: "1 ms"),»
        solver: `Eular` is not a solver
        help: did you mean `Euler`? known here are Event, Euler
    a train
      bad.ron:5:35 «Regulra(rates: "50 Hz"))»
        sources.input.train: `Regulra` is not a train
        help: did you mean `Regular`? known here are Regular, Poisson, Spikes, File, Adm
    a mismatch law
      bad.ron:14:38 «Gausian(cv: 0.1) },»
        populations.dpi.mismatch."soma.Itau": `Gausian` is not a mismatch law
        help: did you mean `Gaussian`? known here are LogNormal, Gaussian, TruncatedGaussian
    a connection rule
      bad.ron:18:58 «OneToone, weight: 2, del»
        connections.0.rule: `OneToone` is not a connection rule
        help: did you mean `OneToOne`? known here are OneToOne, AllToAll, FixedProbability, FixedInDegree, FixedOutDegree, FixedTotal, List, File
    a receptor
      bad.ron:18:46 «nmda, rule: OneToOne, we»
        connections.0.receptor: `nmda` is not a receptor of the model arcana
        help: did you mean `ampa`? known here are ampa, gabab
    a probe
      bad.ron:21:19 «Spike(of: "input"),»
        probes.raster: `Spike` is not a probe
        help: did you mean `Spikes`? known here are Spikes, Trace, Ff, Fi, Rate, Rates, Isi, Intervals, Fano
    a variable
      bad.ron:22:41 «Vmme], neurons: [0, 3], »
        probes.vmem.vars.0: the model arcana has no state variable `Vmme`
        help: did you mean `Vmem`? known here are Vmem, Imem, Iampa, Igabab
    a model
      bad.ron:10:20 «arcane(»
        populations.dpi.model: `arcane` is not a model
        help: did you mean `arcana`? known here are arcana, dynapse1, lif, Named
    a model by name
      bad.ron:10:36 «"fast"), x: arcana(»
        populations.dpi.model: there is no model `fast` in `models`
        help: there are none
      bad.ron:10:45 «x: arcana(»
        populations.dpi.x: there is no field `x` here
        help: known here are size, model, mismatch, biases, init, dc
    a model by name, the nearest one
      bad.ron:11:26 «"fats"), x: arcana(»
        populations.dpi.model: there is no model `fats` in `models`
        help: did you mean `fast`? only `fast` is known here
      bad.ron:11:35 «x: arcana(»
        populations.dpi.x: there is no field `x` here
        help: known here are size, model, mismatch, biases, init, dc
    a state variable in init
      bad.ron:14:21 «"Imen": "1 pA" }, mismat»
        populations.dpi.init.Imen: there is no state variable `Imen`
        help: did you mean `Imem`? known here are Imem, Iampa
    "#);
}

#[test]
fn missing_parts() {
    insta::assert_snapshot!(table(&[
        ("the duration", &[("    duration: \"1 s\",\n", "")]),
        ("the step", &[("dt: \"1 ms\"", "")]),
        ("the size of a source", &[("size: 4, train", "train")]),
        ("the train", &[(", train: Regular(rates: \"50 Hz\")", "")]),
        ("the rates", &[("rates: \"50 Hz\"", "")]),
        ("the receptor", &[("receptor: ampa, ", "")]),
        ("Ipfb_norm", &[(", Ipfb_norm: \"1.4e9 /A\"", "")]),
        ("the cv", &[("cv: 0.1", "")]),
        ("what a trace shows", &[("vars: [Vmem], ", "")]),
        ("the output of an FF curve", &[(", output: \"dpi\"", "")]),
    ]), @r#"
    the duration
      bad.ron:1:1 «(»
        `duration` is missing
        help: for example duration: "1 s"
    the step
      bad.ron:3:13 «Euler(),»
        solver: `dt` is missing
        help: for example Euler(dt: "1 ms")
    the size of a source
      bad.ron:5:18 «(train: Regular(rates: "»
        sources.input: `size` is missing
        help: for example size: 200
    the train
      bad.ron:5:18 «(size: 4),»
        sources.input: `train` is missing
        help: for example train: Regular(rates: "100 Hz"); Poisson, Spikes and File are others
    the rates
      bad.ron:5:35 «Regular()),»
        sources.input.train: `rates` is missing
        help: for example rates: "100 Hz", Linear(from: "0 Hz", to: "199 Hz") or List(["1 Hz", …])
    the receptor
      bad.ron:18:9 «(from: "input", to: "dpi»
        connections.0: `receptor` is missing
        help: for example receptor: ampa
    Ipfb_norm
      bad.ron:11:23 «(Itau: "4 pA", Igain: "8»
        populations.dpi.model.soma: `Ipfb_norm` is missing: slope of the positive feedback's gate (power law)
        help: it has no default, because the released code's 1e-12 is a unit slip (it multiplies a current): write for example Ipfb_norm: "1.4e9 /A"
    the cv
      bad.ron:14:38 «Gaussian() },»
        populations.dpi.mismatch."soma.Itau": `cv` is missing
        help: for example LogNormal(cv: 0.2)
    what a trace shows
      bad.ron:22:17 «Trace(of: "dpi", neurons»
        probes.vmem: `vars` is missing
        help: for example vars: [Vmem, Imem]
    the output of an FF curve
      bad.ron:23:15 «Ff(input: "input"),»
        probes.ff: `output` is missing
        help: the population whose rates are on the y axis
    "#);
}

#[test]
fn names_and_references() {
    const SOURCE: &str = "\"input\": (size: 4, train: Regular(rates: \"50 Hz\")),";
    const CONNECTION: &str = "(from: \"input\", to: \"dpi\", receptor: ampa, rule: OneToOne, weight: 2, delay: \"1 ms\"),";
    let twice = |text: &str| format!("{text}\n        {text}");
    let (two_sources, two_connections) = (twice(SOURCE), twice(CONNECTION));
    let small =
        "\"dpi\": (size: 4, model: arcana(soma: (Ipfb_norm: \"1 /A\"))),\n        \"dpi\": (";
    insta::assert_snapshot!(table(&[
        ("two sources of one name", &[(SOURCE, &two_sources)]),
        ("two populations of one name", &[("\"dpi\": (", small)]),
        ("two probes of one name", &[("\"vmem\": Trace", "\"raster\": Trace")]),
        ("two projections of one name", &[(CONNECTION, &two_connections)]),
        ("a field twice", &[("    solver:", "    duration: \"2 s\",\n    solver:")]),
        ("a bias twice", &[("Igain: \"80 pA\"", "Itau: \"5 pA\"")]),
        ("a mismatch twice", &[("cv: 0.1) }", "cv: 0.1), \"soma.Itau\": Gaussian(cv: 0.1) }")]),
        ("a variable twice", &[("[Vmem]", "[Vmem, Vmem]")]),
        ("a source and a population of one name", &[("\"input\": (size", "\"dpi\": (size")]),
        ("an empty name", &[("\"raster\"", "\"\"")]),
        ("a name that the summary needs", &[("\"dpi\": (", "\"total\": ("), ("to: \"dpi\"", "to: \"total\""), ("of: \"dpi\"", "of: \"total\""), ("output: \"dpi\"", "output: \"total\"")]),
        ("from nowhere", &[("from: \"input\"", "from: \"inputs\"")]),
        ("to nowhere", &[("to: \"dpi\"", "to: \"dip\"")]),
        ("to a source", &[("to: \"dpi\"", "to: \"input\"")]),
        ("spikes of nobody", &[("of: \"input\"", "of: \"output\"")]),
        ("a trace of nobody", &[("of: \"dpi\"", "of: \"dip\"")]),
        ("a trace of a source", &[("of: \"dpi\"", "of: \"input\"")]),
        ("an FF curve from nobody", &[("input: \"input\"", "input: \"inptu\"")]),
        ("an FF curve of nobody", &[("output: \"dpi\"", "output: \"dpy\"")]),
        ("an FF curve of a source", &[("output: \"dpi\"", "output: \"input\"")]),
    ]), @r#"
    two sources of one name
      bad.ron:6:9 «"input": (size: 4, train»
        sources.input: `input` stands here twice
        help: give one of the two another name, or remove it
    two populations of one name
      bad.ron:9:9 «"dpi": (»
        populations.dpi: `dpi` stands here twice
        help: give one of the two another name, or remove it
    two probes of one name
      bad.ron:22:9 «"raster": Trace(of: "dpi»
        probes.raster: `raster` stands here twice
        help: give one of the two another name, or remove it
    two projections of one name
      bad.ron:19:9 «(from: "input", to: "dpi»
        connections.1: there is another projection `input->dpi:ampa`
        help: name this one: name: "…"
    a field twice
      bad.ron:3:5 «duration: "2 s",»
        duration: `duration` stands here twice
        help: remove one of the two
    a bias twice
      bad.ron:11:38 «Itau: "5 pA", Ith: "12 m»
        populations.dpi.model.soma.Itau: `Itau` stands here twice
        help: remove one of the two
    a mismatch twice
      bad.ron:14:57 «"soma.Itau": Gaussian(cv»
        populations.dpi.mismatch."soma.Itau": `soma.Itau` stands here twice
        help: give one of the two another name, or remove it
    a variable twice
      bad.ron:22:47 «Vmem], neurons: [0, 3], »
        probes.vmem.vars.1: `Vmem` stands here twice
        help: remove one of the two
    a source and a population of one name
      bad.ron:8:9 «"dpi": (»
        populations.dpi: `dpi` is a source, too
        help: sources and populations share one set of names: rename one
      bad.ron:18:16 «"input", to: "dpi", rece»
        connections.0.from: there is no source or population `input`
        help: only `dpi` is known here
      bad.ron:21:30 «"input"),»
        probes.raster.of: there is no source or population `input`
        help: only `dpi` is known here
      bad.ron:23:25 «"input", output: "dpi"),»
        probes.ff.input: there is no source or population `input`
        help: only `dpi` is known here
    an empty name
      bad.ron:21:9 «"": Spikes(of: "input"),»
        probes.: a name must not be empty
        help: give it a name
    a name that the summary needs
      bad.ron:8:9 «"total": (»
        populations.total: the name `total` is taken by the summary
        help: choose another name
    from nowhere
      bad.ron:18:16 «"inputs", to: "dpi", rec»
        connections.0.from: there is no source or population `inputs`
        help: did you mean `input`? known here are dpi, input
    to nowhere
      bad.ron:18:29 «"dip", receptor: ampa, r»
        connections.0.to: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
    to a source
      bad.ron:18:29 «"input", receptor: ampa,»
        connections.0.to: `input` is a source; a population is needed here
        help: only `dpi` is known here
    spikes of nobody
      bad.ron:21:30 «"output"),»
        probes.raster.of: there is no source or population `output`
        help: known here are dpi, input
    a trace of nobody
      bad.ron:22:27 «"dip", vars: [Vmem], neu»
        probes.vmem.of: there is no population `dip`
        help: did you mean `dpi`? only `dpi` is known here
    a trace of a source
      bad.ron:22:27 «"input", vars: [Vmem], n»
        probes.vmem.of: `input` is a source; a population is needed here
        help: only `dpi` is known here
    an FF curve from nobody
      bad.ron:23:25 «"inptu", output: "dpi"),»
        probes.ff.input: there is no source or population `inptu`
        help: did you mean `input`? known here are dpi, input
    an FF curve of nobody
      bad.ron:23:42 «"dpy"),»
        probes.ff.output: there is no population `dpy`
        help: did you mean `dpi`? only `dpi` is known here
    an FF curve of a source
      bad.ron:23:42 «"input"),»
        probes.ff.output: `input` is a source; a population is needed here
        help: only `dpi` is known here
    "#);
}

#[test]
fn neurons() {
    insta::assert_snapshot!(table(&[
        ("OneToOne of different sizes", &[("size: 4, train", "size: 5, train"), ("\"ff\": Ff(input: \"input\", output: \"dpi\"),", "")]),
        ("an FF curve of different sizes", &[("size: 4, train", "size: 5, train"), ("OneToOne", "AllToAll")]),
        ("a trace of a neuron that does not exist", &[("[0, 3]", "[0, 4]")]),
        ("a trace of no neuron", &[("[0, 3]", "[]")]),
        ("a trace of a negative neuron", &[("[0, 3]", "[-1]")]),
        ("a range past the end", &[("[0, 3]", "Range(from: 0, to: 4)")]),
        ("a range that is turned round", &[("[0, 3]", "Range(from: 3, to: 1)")]),
        ("a range without its end", &[("[0, 3]", "Range(from: 3)")]),
        ("a number for a choice of neurons", &[("[0, 3]", "3")]),
        ("a cut of a connection past the end", &[("weight: 2", "neurons: [4]")]),
        ("AllToAll with an unknown field", &[("OneToOne", "AllToAll(self: false)")]),
    ]), @r#"
    OneToOne of different sizes
      bad.ron:18:58 «OneToOne, weight: 2, del»
        connections.0.rule: OneToOne of 5 (`input`) to 4 neurons (`dpi`)
        help: use equal sizes, cut one side with `neurons` or `to_neurons`, or AllToAll
    an FF curve of different sizes
      bad.ron:23:42 «"dpi"),»
        probes.ff.output: an FF curve of 5 inputs and 4 outputs
        help: neuron k of the output is plotted against input k: use equal sizes
    a trace of a neuron that does not exist
      bad.ron:22:61 «4], every: "1 ms"),»
        probes.vmem.neurons.1: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a trace of no neuron
      bad.ron:22:57 «[], every: "1 ms"),»
        probes.vmem.neurons: the list of neurons is empty
        help: name at least one neuron
    a trace of a negative neuron
      bad.ron:22:58 «-1], every: "1 ms"),»
        probes.vmem.neurons.0: expected a whole number, 0 or greater, found -1
        help: write it like 200
    a range past the end
      bad.ron:22:76 «4), every: "1 ms"),»
        probes.vmem.neurons.to: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    a range that is turned round
      bad.ron:22:57 «Range(from: 3, to: 1), e»
        probes.vmem.neurons: the range ends at 1, before it starts at 3
        help: for example Range(from: 0, to: 99), both included
    a range without its end
      bad.ron:22:57 «Range(from: 3), every: "»
        probes.vmem.neurons: `to` is missing
        help: for example Range(from: 0, to: 99), both included
    a number for a choice of neurons
      bad.ron:22:57 «3, every: "1 ms"),»
        probes.vmem.neurons: expected a choice of neurons (All, Range(from: 0, to: 99) or a list [0, 5]), found the number 3
        help: one of All, Range
    a cut of a connection past the end
      bad.ron:18:78 «4], delay: "1 ms"),»
        connections.0.neurons.0: neuron 4 does not exist, there are 4
        help: indices go from 0 to 3
    AllToAll with an unknown field
      bad.ron:18:67 «self: false), weight: 2,»
        connections.0.rule.self: there is no field `self` here
        help: only `self_connections` is known here
    "#);
}

/// What refers to a population without a valid size is not checked against it.
#[test]
fn a_population_of_size_0() {
    insta::assert_snapshot!(table(&[
        ("a population of size 0", &[("size: 4,\n", "size: 0,\n")]),
    ]), @r#"
    a population of size 0
      bad.ron:9:19 «0,»
        populations.dpi.size: the size must be at least 1
        help: for example size: 200
    "#);
}

/// Parameters of a receptor stand in the model; here they would have no effect.
#[test]
fn a_receptor_takes_nothing() {
    insta::assert_snapshot!(table(&[
        ("values", &[("receptor: ampa", "receptor: ampa(2)")]),
        ("fields", &[("receptor: ampa", "receptor: ampa(Iw: \"2 pA\")")]),
    ]), @r#"
    values
      bad.ron:18:46 «ampa(2), rule: OneToOne,»
        connections.0.receptor: `ampa` takes nothing in parentheses
        help: write only ampa
    fields
      bad.ron:18:46 «ampa(Iw: "2 pA"), rule: »
        connections.0.receptor: `ampa` takes nothing in parentheses
        help: write only ampa
    "#);
}

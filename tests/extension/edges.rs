//! Hand-made edges.

use picoamp::prelude::*;

use crate::common::{hashes, run, scene};
use crate::{NOMINAL, nominal};

/// Edges made by hand do what the projection does.
#[test]
fn hand_made_edges_equal_a_projection() {
    let projected = run(scene(NOMINAL, &[]));
    let mut by_hand = Simulation::new(scene(NOMINAL, &["connections=[]"])).unwrap();
    for index in 0..200 {
        let source = by_hand.source("input", index).unwrap();
        let circuit = by_hand.circuit("dpi", index, Receptor::Ampa).unwrap();
        by_hand.connect(source, circuit, 0.7, Time::ZERO).unwrap();
    }
    by_hand.run().unwrap();
    assert_eq!(hashes(&by_hand), hashes(&projected));
}

/// A weight that is no whole number is as exact as the edges at one circuit allow, however many circuits
/// there are.
#[test]
fn weights_of_hand_made_edges_do_not_depend_on_edges_elsewhere() {
    let exponent = |neurons: u32| {
        let size = format!("populations.dpi.size={neurons}");
        let sets = [
            "connections=[]",
            "populations.dpi.model=dynapse1(ampa: (Iw: \"100 pA\"))",
            "probes={}",
            &size,
        ];
        let sets = [&sets[..], &["populations.dpi.mismatch={}"]].concat();
        let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
        let source = simulation.source("input", 0).unwrap();
        for index in 0..neurons {
            let circuit = simulation.circuit("dpi", index, Receptor::Ampa).unwrap();
            simulation.connect(source, circuit, 0.7, Time::ZERO).unwrap();
        }
        simulation.run_for(Time::from_seconds(1e-3).unwrap()).unwrap();
        let bank = &simulation.world().resource::<picoamp::bank::Banks>().0[0];
        bank.members[0].exponents[bank.layout.receptor(Receptor::Ampa).unwrap()]
    };
    // As fine as single precision needs: 0.7 takes no bit before the point.
    assert_eq!([1, 100].map(exponent), [24, 24]);
}

#[test]
fn impossible_hand_made_edges_are_refused() {
    let message = |change: &dyn Fn(&mut Simulation) -> Result<(), Error>| {
        let mut simulation = nominal();
        let result = change(&mut simulation).and_then(|()| simulation.run());
        result.unwrap_err().to_string()
    };
    let circuit = |s: &mut Simulation| s.circuit("dpi", 0, Receptor::Ampa).unwrap();
    let neuron = |s: &mut Simulation| s.neuron("dpi", 0).unwrap();
    let negative = message(&|s| {
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, -1.0, Time::ZERO)
    });
    assert!(negative.contains("weight -1 is not within 0 to 65536"), "{negative}");
    let off_grid = message(&|s| {
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, 1.0, std::time::Duration::from_micros(1500))
    });
    assert!(off_grid.contains("0.0015 s is no multiple of the step dt = 0.001 s"), "{off_grid}");
    let no_circuit = message(&|s| {
        let n = neuron(s);
        s.connect(n, n, 1.0, Time::ZERO)
    });
    assert!(no_circuit.contains("no synapse circuit"), "{no_circuit}");
    let late = message(&|s| {
        s.run_for(std::time::Duration::from_millis(1))?;
        let (n, c) = (neuron(s), circuit(s));
        s.connect(n, c, 1.0, Time::ZERO)
    });
    assert!(late.contains("edges are fixed once the simulation runs"), "{late}");
}

/// With the event-driven solver an edge between neurons needs a delay; one from a source does not.
#[test]
fn a_hand_made_edge_between_neurons_needs_a_delay() {
    let with = |delay: Time, from_source: bool| {
        let sets = ["solver=Event(tolerance: \"1 us\")", "duration=10 ms", "probes={}"];
        let mut simulation = Simulation::new(scene(NOMINAL, &sets)).unwrap();
        let source = simulation.source("input", 0).unwrap();
        let neuron = simulation.neuron("dpi", 0).unwrap();
        let circuit = simulation.circuit("dpi", 1, Receptor::Ampa).unwrap();
        simulation.connect(if from_source { source } else { neuron }, circuit, 1.0, delay).unwrap();
        simulation.run()
    };
    let nanoseconds = |ns: u64| Time::from_picoseconds(1000 * ns);
    for delay in [Time::ZERO, nanoseconds(1), nanoseconds(999)] {
        let error = with(delay, false).unwrap_err();
        let expected = format!(
            "an edge between neurons has a delay of {delay} s, but the event-driven solver needs \
             0.000001 s or more"
        );
        assert_eq!((error.to_string(), error.exit_code()), (expected, 1));
        with(delay, true).unwrap();
    }
    with(nanoseconds(1000), false).unwrap();
}

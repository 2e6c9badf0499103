//! How what the biases decide (time constants, gains, weights, the rheobase) varies under mismatch.

use crate::circuit::{Receptor, Soma, Synapse};
use crate::model::{Dpi, Nominal};
use crate::probe::picture::{self, Frame, Picture, Steps, three_digits};
use crate::scene::Scene;
use crate::simulation::Simulation;
use crate::units::{self, Unit};

/// Bars of a histogram.
const BARS: usize = 40;

/// A derived quantity of all neurons.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// The circuit: the soma or a receptor.
    circuit: &'static str,
    /// What of it.
    what: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// That of the scene's biases.
    pub nominal: f64,
    /// That of each neuron, replica by replica.
    pub values: Vec<f64>,
}

impl Quantity {
    /// What it is.
    #[must_use]
    pub fn name(&self) -> String {
        match self.what {
            "rheobase" => "rheobase without feedback".into(),
            what => format!("{} {what}", self.circuit),
        }
    }

    /// The name of its picture.
    #[must_use]
    pub fn file(&self) -> String {
        match self.circuit {
            "soma" => format!("{}.svg", self.what),
            circuit => format!("{circuit}.{}.svg", self.what),
        }
    }

    /// Mean and standard deviation (n − 1) over mean.
    #[must_use]
    pub fn moments(&self) -> (f64, f64) {
        let n = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / n;
        let squares: f64 = self.values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (mean, (squares / (n - 1.0).max(1.0)).sqrt() / mean)
    }

    /// A histogram.
    pub(super) fn picture(&self, frame: Frame) -> Picture {
        let prefix = picture::quantity(self.nominal, self.unit);
        let symbol = prefix.split_once(' ').map_or("", |(_, symbol)| symbol);
        let one = units::parse(&format!("1 {symbol}"), self.unit).unwrap_or(1.0);
        let shown: Vec<f64> = self.values.iter().map(|v| v / one).collect();
        let (low, high) =
            shown.iter().fold((f64::MAX, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
        let width = ((high - low) / BARS as f64).max(1e-9 * high);
        let mut bars = [0_u64; BARS];
        for value in &shown {
            bars[(((value - low) / width) as usize).min(BARS - 1)] += 1;
        }
        let edge = |k: usize| low + k as f64 * width;
        let steps: Vec<(f64, f64, f64)> =
            bars.iter().enumerate().map(|(k, n)| (edge(k), edge(k + 1), *n as f64)).collect();
        let (mean, cv) = self.moments();
        let label =
            if symbol.is_empty() { self.name() } else { format!("{} ({symbol})", self.name()) };
        let note = format!(
            "nominal {}, mean {}, cv {}",
            picture::quantity(self.nominal, self.unit),
            picture::quantity(mean, self.unit),
            three_digits(cv)
        );
        picture::steps(&Steps {
            frame,
            x_label: &label,
            y_label: "neurons",
            steps: &steps,
            x_range: ((low - 2.0 * width).max(0.0), high + 2.0 * width),
            counts: true,
            note: Some(note),
            nothing: "no neurons",
        })
    }
}

/// The derived quantities of every neuron of the experiment's population.
#[must_use]
pub fn quantities(simulation: &Simulation) -> Vec<Quantity> {
    let world = simulation.world();
    let populations = simulation.populations();
    let Some(population) = populations.first() else { return Vec::new() };
    let Some(nominal) = population.model.get::<Dpi>() else { return Vec::new() };
    let somas: Vec<&Soma> =
        population.neurons.iter().filter_map(|entity| world.get::<Soma>(*entity)).collect();
    let synapses = |receptor: Receptor| {
        let circuits = population.circuits.iter().find(|(known, _)| *known == receptor);
        let entities = circuits.into_iter().flat_map(|(_, entities)| entities);
        entities.filter_map(|entity| world.get::<Synapse>(*entity)).collect()
    };
    of_neurons(nominal, &somas, synapses)
}

/// The pictures of the distributions of a scene's quantities.
#[must_use]
pub fn files(scene: &Scene) -> Vec<String> {
    let population = scene.populations.values().next();
    let nominal = population.and_then(|population| population.model.get::<Dpi>());
    let quantities = nominal.map(|nominal| of_neurons(nominal, &[], |_| Vec::new()));
    quantities.into_iter().flatten().map(|quantity| quantity.file()).collect()
}

/// The derived quantities of neurons, given by their somas and by the synapses of each receptor.
fn of_neurons<'a>(
    nominal: &Nominal<Dpi>,
    somas: &[&Soma],
    synapses: impl Fn(Receptor) -> Vec<&'a Synapse>,
) -> Vec<Quantity> {
    let constants = nominal.model.constants;
    let pulse = nominal.model.forms.pulse;
    let mut found = Vec::new();
    let mut of_soma = |what, unit, value: &dyn Fn(&Soma) -> f64| {
        let values = somas.iter().map(|soma| value(soma)).collect();
        let nominal = value(&nominal.soma);
        found.push(Quantity { circuit: "soma", what, unit, nominal, values });
    };
    of_soma("tau", Unit::Second, &|soma| soma.tau(&constants));
    of_soma("gain", Unit::One, &|soma| soma.i_gain / soma.i_tau);
    of_soma("rheobase", Unit::Ampere, &Soma::bare_rheobase);
    for (receptor, of_scene) in &nominal.synapses {
        let synapses = synapses(*receptor);
        let mut of_synapse = |what, unit, value: &dyn Fn(&Synapse) -> f64| {
            let values = synapses.iter().map(|synapse| value(synapse)).collect();
            let (circuit, nominal) = (Receptor::name(*receptor), value(of_scene));
            found.push(Quantity { circuit, what, unit, nominal, values });
        };
        of_synapse("tau", Unit::Second, &|synapse| synapse.tau(&constants));
        of_synapse("gain", Unit::One, &|synapse| synapse.i_gain / synapse.i_tau);
        of_synapse("jump", Unit::Ampere, &|synapse| synapse.jump(pulse, &constants));
    }
    found
}

//! How what the biases decide (time constants, gains, weights, the rheobase) varies under mismatch.

use super::Subject;
use crate::circuit::forms::PulseForm;
use crate::circuit::{Constants, Receptor, Soma, Synapse};
use crate::model::Dpi;
use crate::probe::picture::{self, Frame, Picture, Steps, three_digits};
use crate::scene::Scene;
use crate::simulation::Simulation;
use crate::units::{self, Unit};

/// Bars of a histogram.
const BARS: usize = 40;

/// The least width of a bar, as a part of the largest value: closer values are the same to who looks.
const LEAST_WIDTH: f64 = 1e-3;

/// A quantity that follows from the biases of a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derived {
    /// Of the soma.
    Soma(OfSoma),
    /// Of the synapse circuit of a receptor.
    Synapse(Receptor, OfSynapse),
}

/// What follows from the biases of the soma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfSoma {
    /// Its time constant, s.
    Tau,
    /// Igain/Itau.
    Gain,
    /// The lowest constant input at which it fires without feedback, A.
    Rheobase,
}

/// What follows from the biases of a synapse circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfSynapse {
    /// Its time constant, s.
    Tau,
    /// Igain/Itau.
    Gain,
    /// What a spike adds to its current, A.
    Jump,
}

impl OfSoma {
    const ALL: [OfSoma; 3] = [OfSoma::Tau, OfSoma::Gain, OfSoma::Rheobase];

    fn of(self, soma: &Soma, constants: &Constants) -> f64 {
        match self {
            OfSoma::Tau => soma.tau(constants),
            OfSoma::Gain => soma.i_gain / soma.i_tau,
            OfSoma::Rheobase => soma.bare_rheobase(),
        }
    }
}

impl OfSynapse {
    const ALL: [OfSynapse; 3] = [OfSynapse::Tau, OfSynapse::Gain, OfSynapse::Jump];

    fn of(self, synapse: &Synapse, pulse: PulseForm, constants: &Constants) -> f64 {
        match self {
            OfSynapse::Tau => synapse.tau(constants),
            OfSynapse::Gain => synapse.i_gain / synapse.i_tau,
            OfSynapse::Jump => synapse.jump(pulse, constants),
        }
    }
}

impl Derived {
    /// The circuit, and what of it.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Derived::Soma(OfSoma::Tau) => ("soma", "tau"),
            Derived::Soma(OfSoma::Gain) => ("soma", "gain"),
            Derived::Soma(OfSoma::Rheobase) => ("soma", "rheobase"),
            Derived::Synapse(receptor, OfSynapse::Tau) => (receptor.name(), "tau"),
            Derived::Synapse(receptor, OfSynapse::Gain) => (receptor.name(), "gain"),
            Derived::Synapse(receptor, OfSynapse::Jump) => (receptor.name(), "jump"),
        }
    }

    /// What it is.
    #[must_use]
    pub fn name(self) -> String {
        match (self, self.words()) {
            (Derived::Soma(OfSoma::Rheobase), _) => "rheobase without feedback".into(),
            (_, (circuit, what)) => format!("{circuit} {what}"),
        }
    }

    /// The name of its picture.
    #[must_use]
    pub fn file(self) -> String {
        match (self, self.words()) {
            (Derived::Soma(_), (_, what)) => format!("{what}.svg"),
            (Derived::Synapse(..), (circuit, what)) => format!("{circuit}.{what}.svg"),
        }
    }

    /// Its unit.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Derived::Soma(OfSoma::Tau) | Derived::Synapse(_, OfSynapse::Tau) => Unit::Second,
            Derived::Soma(OfSoma::Gain) | Derived::Synapse(_, OfSynapse::Gain) => Unit::One,
            Derived::Soma(OfSoma::Rheobase) | Derived::Synapse(_, OfSynapse::Jump) => Unit::Ampere,
        }
    }

    /// That of every neuron of the experiment's population, which is the first.
    #[must_use]
    pub fn of_neurons(self, simulation: &Simulation) -> Option<Quantity> {
        let world = simulation.world();
        let populations = simulation.populations();
        let population = populations.first()?;
        let nominal = population.model.get::<Dpi>()?;
        let constants = &nominal.model.constants;
        let (nominal, values) = match self {
            Derived::Soma(what) => {
                let somas = population.neurons.iter().filter_map(|entity| world.get(*entity));
                let values = somas.map(|soma| what.of(soma, constants)).collect();
                (what.of(&nominal.soma, constants), values)
            }
            Derived::Synapse(receptor, what) => {
                let pulse = nominal.model.forms.pulse;
                let circuits = population.circuits.iter().filter(|(of, _)| *of == receptor);
                let entities = circuits.flat_map(|(_, entities)| entities);
                let synapses = entities.filter_map(|entity| world.get(*entity));
                let values = synapses.map(|synapse| what.of(synapse, pulse, constants)).collect();
                (what.of(nominal.synapse(receptor)?, pulse, constants), values)
            }
        };
        Some(Quantity { derived: self, nominal, values })
    }
}

/// The derived quantities of the experiment's population, which is the first of a scene.
fn derived(scene: &Scene) -> impl Iterator<Item = Derived> {
    let population = scene.populations.values().next();
    let nominal = population.and_then(|population| population.model.get::<Dpi>());
    nominal.into_iter().flat_map(|nominal| {
        let receptors = nominal.synapses.iter().map(|(receptor, _)| *receptor);
        let of_synapses = receptors
            .flat_map(|receptor| OfSynapse::ALL.map(|what| Derived::Synapse(receptor, what)));
        OfSoma::ALL.map(Derived::Soma).into_iter().chain(of_synapses)
    })
}

/// The pictures of how they are distributed.
pub fn distributions(scene: &Scene) -> impl Iterator<Item = Subject> {
    derived(scene).map(Subject::Distribution)
}

/// All of them of every neuron.
#[must_use]
pub fn quantities(simulation: &Simulation) -> Vec<Quantity> {
    derived(simulation.scene()).filter_map(|derived| derived.of_neurons(simulation)).collect()
}

/// A derived quantity of all neurons.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Which.
    pub derived: Derived,
    /// That of the scene's biases.
    pub nominal: f64,
    /// That of each neuron, replica by replica.
    pub values: Vec<f64>,
}

impl Quantity {
    /// Mean and standard deviation (n − 1) over mean.
    #[must_use]
    pub fn moments(&self) -> (f64, f64) {
        let n = self.values.len() as f64;
        // From the first value on: equal values have no deviation at all.
        let first = self.values.first().copied().unwrap_or(0.0);
        let from_first = self.values.iter().map(|value| value - first);
        let shift = from_first.clone().sum::<f64>() / n;
        let squares: f64 = from_first.map(|value| (value - shift) * (value - shift)).sum();
        let mean = first + shift;
        (mean, (squares / (n - 1.0).max(1.0)).sqrt() / mean)
    }

    /// A histogram.
    pub(super) fn picture(&self, frame: Frame) -> Picture {
        let (name, unit) = (self.derived.name(), self.derived.unit());
        let (symbol, scale) = units::scale(self.nominal, unit);
        let shown: Vec<f64> = self.values.iter().map(|value| scale * value).collect();
        let steps = histogram(&shown);
        let (low, high) = steps.first().zip(steps.last()).map_or((0.0, 1.0), |(first, last)| {
            let margin = 2.0 * (first.1 - first.0);
            ((first.0 - margin).max(0.0), last.1 + margin)
        });
        let (mean, cv) = self.moments();
        let label = if symbol.is_empty() { name } else { format!("{name} ({symbol})") };
        let note = format!(
            "nominal {}, mean {}, cv {}",
            picture::quantity(self.nominal, unit),
            picture::quantity(mean, unit),
            three_digits(cv)
        );
        picture::steps(&Steps {
            frame,
            x_label: &label,
            y_label: "neurons",
            steps: &steps,
            x_range: (low, high),
            counts: true,
            note: Some(note),
            nothing: "no neurons",
        })
    }
}

/// How many of the values lie between two edges: from, to and number.
fn histogram(values: &[f64]) -> Vec<(f64, f64, f64)> {
    if values.is_empty() {
        return Vec::new();
    }
    let (low, high) =
        values.iter().fold((f64::MAX, f64::MIN), |(l, h), value| (l.min(*value), h.max(*value)));
    let least = if high > 0.0 { LEAST_WIDTH * high } else { 1.0 };
    let (count, width) = match (high - low) / BARS as f64 {
        width if width > least => (BARS, width),
        _ => (((high - low) / least) as usize + 1, least),
    };
    // What is wider than the values lies on both sides of them.
    let start = 0.5 * (low + high) - 0.5 * count as f64 * width;
    let mut bars = vec![0_u64; count];
    for value in values {
        bars[(((value - start) / width) as usize).min(count - 1)] += 1;
    }
    let edge = |k: usize| start + k as f64 * width;
    bars.iter().enumerate().map(|(k, n)| (edge(k), edge(k + 1), *n as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tau(nominal: f64, values: &[f64]) -> Quantity {
        Quantity { derived: Derived::Soma(OfSoma::Tau), nominal, values: values.to_vec() }
    }

    /// 1, 2 and 3 ms: each in a bar, from the lowest to the highest, in the unit of the nominal value.
    #[test]
    fn a_histogram_shows_every_value() {
        let quantity = tau(2e-3, &[1e-3, 2e-3, 3e-3]);
        let picture = quantity.picture("t".into());
        let chart = picture.chart().unwrap();
        assert_eq!((&*chart.x.label, &*chart.y.label), ("soma tau (ms)", "neurons"));
        assert!(chart.y.whole);
        assert_eq!(chart.note.as_deref(), Some("nominal 2 ms, mean 2 ms, cv 0.5"));
        let bars = histogram(&[1.0, 2.0, 3.0]);
        assert_eq!(bars.len(), 40);
        assert_eq!(bars.iter().map(|bar| bar.2).sum::<f64>(), 3.0);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(near(bars[0].0, 1.0) && near(bars[39].1, 3.0), "{bars:?}");
        for (value, k) in [(1.0, 0), (2.0, 20), (3.0, 39)] {
            assert!(bars[k].2 == 1.0 && bars[k].0 <= value + 1e-9 && value <= bars[k].1 + 1e-9);
        }
        let (low, high) = chart.x.range;
        assert!(low < 1.0 && low > 0.8 && high > 3.0 && high < 3.2, "{low} {high}");
    }

    /// Without mismatch there is one bar around the value, and no noise of the last digit.
    #[test]
    fn equal_values_do_not_vary() {
        let value = 14.184_397_163_120_567e-3;
        let quantity = tau(value, &[value; 1000]);
        assert_eq!(quantity.moments(), (value, 0.0));
        let [(from, to, number)] = histogram(&[14.184_397; 1000])[..] else { panic!() };
        assert_eq!(number, 1000.0);
        assert!((0.5 * (from + to) - 14.184_397).abs() < 1e-9);
        assert!((to - from - 0.014_184).abs() < 1e-6, "{from} {to}");
        // Closer than a bar: still one.
        assert_eq!(histogram(&[1.0, 1.000_000_1]).len(), 1);
        assert_eq!(histogram(&[]), []);
    }

    /// (n − 1): of 1, 2, 3, 4 the variance is 5/3.
    #[test]
    fn moments_are_those_of_a_sample() {
        let (mean, cv) = tau(1.0, &[1.0, 2.0, 3.0, 4.0]).moments();
        assert_eq!(mean, 2.5);
        assert!((cv - (5.0_f64 / 3.0).sqrt() / 2.5).abs() < 1e-15);
    }
}

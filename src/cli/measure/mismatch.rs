//! How what the biases decide (time constants, gains, weights, the rheobase) varies under mismatch.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Measured, percentiles};
use crate::Simulation;
use crate::circuit::{Soma, Synapse};
use crate::model::Dpi;
use crate::probe::picture::{self, Steps, three_digits};
use crate::units::{self, Unit};

pub const FILES: [&str; 4] = ["quantities.csv", "tau.svg", "gain.svg", "rheobase.svg"];

/// Bars of a histogram.
const BARS: usize = 40;

/// A derived quantity of all neurons.
struct Quantity {
    name: String,
    unit: Unit,
    nominal: f64,
    values: Vec<f64>,
}

impl Quantity {
    /// Mean and standard deviation (n − 1) over mean.
    fn moments(&self) -> (f64, f64) {
        let n = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / n;
        let squares: f64 = self.values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (mean, (squares / (n - 1.0).max(1.0)).sqrt() / mean)
    }

    /// A histogram.
    fn picture(&self, scene: &str) -> String {
        let prefix = units::format(three_digits(self.nominal), self.unit);
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
            if symbol.is_empty() { self.name.clone() } else { format!("{} ({symbol})", self.name) };
        let note = format!(
            "nominal {}, mean {}, cv {}",
            units::format(three_digits(self.nominal), self.unit),
            units::format(three_digits(mean), self.unit),
            three_digits(cv)
        );
        let title = format!("{scene} · {}", self.name);
        picture::steps(&Steps {
            frame: title.as_str().into(),
            x_label: &label,
            y_label: "neurons",
            steps: &steps,
            x_range: ((low - 2.0 * width).max(0.0), high + 2.0 * width),
            counts: true,
            note: Some(note),
            nothing: "no neurons",
        })
        .svg()
    }
}

/// The derived quantities of every neuron of the experiment's population.
fn quantities(simulation: &Simulation) -> Vec<Quantity> {
    let world = simulation.world();
    let populations = simulation.populations();
    let Some(population) = populations.first() else { return Vec::new() };
    let Some(nominal) = population.model.get::<Dpi>() else { return Vec::new() };
    let constants = nominal.model.constants;
    let pulse = nominal.model.forms.pulse;
    let mut found = Vec::new();
    let somas: Vec<&Soma> =
        population.neurons.iter().filter_map(|entity| world.get::<Soma>(*entity)).collect();
    let mut of_soma = |name: &str, unit, value: &dyn Fn(&Soma) -> f64| {
        let values = somas.iter().map(|soma| value(soma)).collect();
        found.push(Quantity { name: name.into(), unit, nominal: value(&nominal.soma), values });
    };
    of_soma("soma tau", Unit::Second, &|soma| soma.tau(&constants));
    of_soma("soma gain", Unit::One, &|soma| soma.i_gain / soma.i_tau);
    of_soma("rheobase without feedback", Unit::Ampere, &Soma::bare_rheobase);
    for (receptor, entities) in &population.circuits {
        let Some(of_scene) = nominal.synapse(*receptor) else { continue };
        let synapses: Vec<&Synapse> =
            entities.iter().filter_map(|entity| world.get::<Synapse>(*entity)).collect();
        let mut of_synapse = |what: &str, unit, value: &dyn Fn(&Synapse) -> f64| {
            let name = format!("{} {what}", receptor.name());
            let values = synapses.iter().map(|synapse| value(synapse)).collect();
            found.push(Quantity { name, unit, nominal: value(of_scene), values });
        };
        of_synapse("tau", Unit::Second, &|synapse| synapse.tau(&constants));
        of_synapse("gain", Unit::One, &|synapse| synapse.i_gain / synapse.i_tau);
        of_synapse("jump", Unit::Ampere, &|synapse| synapse.jump(pulse, &constants));
    }
    found
}

pub fn mismatch(simulation: &Simulation) -> Measured {
    let found = quantities(simulation);
    let scene = &simulation.scene().name;
    let replicas = simulation.populations().first().map(|p| p.replicas);
    let column = |q: &Quantity| match q.unit {
        Unit::One => q.name.replace(' ', "_"),
        unit => format!("{}_{}", q.name.replace(' ', "_"), unit.symbol()),
    };
    let names: Vec<String> = found.iter().map(column).collect();
    let mut table = format!("{}neuron,{}\n", replicas.map_or("", |r| r.header()), names.join(","));
    let rows = found.first().map_or(0, |q| q.values.len());
    for row in 0..rows {
        if let Some(replicas) = replicas {
            let (replica, neuron) = replicas.split(row as u32);
            let _ = write!(table, "{}{neuron}", replicas.cell(replica));
        }
        found.iter().for_each(|q| {
            let _ = write!(table, ",{:e}", q.values[row]);
        });
        table.push('\n');
    }
    let head = ["", "nominal", "mean", "cv", "5 %", "95 %"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let mut values = Map::new();
    for quantity in &found {
        let (mean, cv) = quantity.moments();
        let Some((median, p05, p95)) = percentiles(&quantity.values) else { continue };
        let shown = |value: f64| match quantity.unit {
            Unit::One => three_digits(value).to_string(),
            unit => units::format(three_digits(value), unit),
        };
        let nominal = quantity.nominal;
        rows.push(vec![
            quantity.name.clone(),
            shown(nominal),
            shown(mean),
            three_digits(cv).to_string(),
            shown(p05),
            shown(p95),
        ]);
        values.insert(
            column(quantity),
            json!({
                "nominal": nominal, "mean": mean, "cv": cv, "median": median, "p05": p05, "p95": p95,
                "n": quantity.values.len(),
            }),
        );
    }
    let mut files = vec![(FILES[0], table.into_bytes())];
    for (file, quantity) in FILES[1..].iter().zip(&found) {
        files.push((*file, quantity.picture(scene).into_bytes()));
    }
    Measured { text: super::table(&rows), values: Value::Object(values), files }
}

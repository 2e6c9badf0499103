//! How what the biases decide (time constants, gains, weights, the rheobase) varies under mismatch.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Measured, percentiles};
use crate::Simulation;
use crate::experiment::mismatch::{Quantity, quantities};
use crate::probe::picture::{self, three_digits};
use crate::units::Unit;

pub const TABLE: &str = "quantities.csv";

pub fn mismatch(simulation: &Simulation) -> Measured {
    let found = quantities(simulation);
    let replicas = simulation.populations().first().map(|p| p.replicas);
    let column = |q: &Quantity| match q.derived.unit() {
        Unit::One => q.derived.name().replace(' ', "_"),
        unit => format!("{}_{}", q.derived.name().replace(' ', "_"), unit.symbol()),
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
        let shown = |value: f64| picture::quantity(value, quantity.derived.unit());
        let nominal = quantity.nominal;
        rows.push(vec![
            quantity.derived.name(),
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
    let files = vec![(TABLE, table.into_bytes())];
    Measured { text: super::table(&rows), values: Value::Object(values), files }
}

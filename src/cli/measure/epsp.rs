//! Postsynaptic potentials: peak, rise and decay of the membrane voltage after one spike.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Measured, scenes, spread_cells};
use crate::circuit::math;
use crate::cli::args::MeasuredModel;
use crate::experiment::epsp::{nothing_recorded, since_the_spike};
use crate::network::Replicas;
use crate::probe::TraceRecorder;
use crate::scene::{GroupId, Variable};
use crate::units::Unit;
use crate::{Error, Simulation};

pub const TABLE: &str = "epsp.csv";

/// The shape of one potential.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Vmem when the spike arrives, V.
    pub baseline: f64,
    /// The largest change after it, V; negative of an inhibition.
    pub peak: f64,
    /// From a tenth of the peak to nine tenths, s.
    pub rise: Option<f64>,
    /// From the peak until a share of 1/e is left, s; none where the record ends before.
    pub decay: Option<f64>,
}

/// The shape of a potential: time since the spike (s, from 0 on) and voltage (V).
pub fn shape(samples: &[(f64, f64)]) -> Option<Shape> {
    let baseline = samples.first()?.1;
    let changes: Vec<(f64, f64)> = samples.iter().map(|(t, v)| (*t, v - baseline)).collect();
    let at =
        (0..changes.len()).max_by(|a, b| changes[*a].1.abs().total_cmp(&changes[*b].1.abs()))?;
    let peak = changes[at].1;
    // When the change, as a share of the peak, passes a level between two samples.
    let crossing = |range: &[(f64, f64)], level: f64, upwards: bool| {
        range.windows(2).find_map(|pair| {
            let [(t0, v0), (t1, v1)] = [pair[0], pair[1]].map(|(t, v)| (t, v / peak));
            let passes =
                if upwards { v0 < level && v1 >= level } else { v0 > level && v1 <= level };
            passes.then(|| t0 + (t1 - t0) * (level - v0) / (v1 - v0))
        })
    };
    if peak == 0.0 {
        return Some(Shape { baseline, peak, rise: None, decay: None });
    }
    let (before, after) = (&changes[..=at], &changes[at..]);
    let rise = crossing(before, 0.9, true).zip(crossing(before, 0.1, true)).map(|(b, a)| b - a);
    let decay = crossing(after, math::exp(-1.0), false).map(|t| t - changes[at].0);
    Some(Shape { baseline, peak, rise, decay })
}

pub fn epsp(simulation: &Simulation, model: MeasuredModel) -> Result<Measured, Error> {
    let replicas = simulation.scene().replicas as u32;
    let header = if replicas > 1 { "replica," } else { "" };
    let mut table = format!("{header}receptor,baseline_V,peak_V,rise_s,decay_s\n");
    let head = ["receptor", "peak", "rise (10-90 %)", "decay to 1/e"];
    let has_band = replicas > 1;
    let percents = if has_band { &["5 %", "95 %"][..] } else { &[] };
    let mut names = vec![head[0].to_string()];
    for name in &head[1..] {
        names.push((*name).to_string());
        names.extend(percents.iter().map(ToString::to_string));
    }
    let mut rows = vec![names];
    let mut values = Map::new();
    for (receptor, _) in scenes::receptors(model) {
        let trace = simulation.probe::<TraceRecorder>(receptor)?;
        let population = simulation.scene().populations.get_index_of(*receptor);
        let numbers =
            population.map(|at| Replicas::of(simulation.scene(), GroupId::Population(at)));
        let mut samples = vec![Vec::new(); replicas as usize];
        for (neuron, time, v) in trace.all_samples(Variable::Vmem) {
            if let Some((replica, 0)) = numbers.map(|numbers| numbers.split(neuron)) {
                samples[replica as usize].push((time, v));
            }
        }
        let mut shapes = Vec::new();
        for (replica, samples) in samples.into_iter().enumerate() {
            let Some(shape) = shape(&since_the_spike(samples.into_iter())) else {
                return Err(nothing_recorded(receptor));
            };
            let cell = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
            let replica_cell = if replicas > 1 { format!("{replica},") } else { String::new() };
            let Shape { baseline, peak, rise, decay } = shape;
            let _ = writeln!(
                table,
                "{replica_cell}{receptor},{baseline},{peak},{},{}",
                cell(rise),
                cell(decay)
            );
            shapes.push(shape);
        }
        let peaks: Vec<f64> = shapes.iter().map(|s| s.peak).collect();
        let rises: Vec<f64> = shapes.iter().filter_map(|s| s.rise).collect();
        let decays: Vec<f64> = shapes.iter().filter_map(|s| s.decay).collect();
        let mut row = vec![receptor.to_string()];
        for (values, unit) in
            [(&peaks, Unit::Volt), (&rises, Unit::Second), (&decays, Unit::Second)]
        {
            row.extend(spread_cells(values, unit, has_band));
        }
        rows.push(row);
        let of = |shape: &Shape| {
            json!({
                "baseline_V": shape.baseline, "peak_V": shape.peak,
                "rise_s": shape.rise, "decay_s": shape.decay,
            })
        };
        values.insert(receptor.to_string(), shapes.iter().map(of).collect::<Value>());
    }
    Ok(Measured {
        text: super::table(&rows),
        values: values.into(),
        files: vec![(TABLE, table.into_bytes())],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A difference of exponentials has its peak at a known time; an inhibition is its mirror.
    #[test]
    fn the_shape_of_an_alpha_function() {
        let tau = 0.01;
        // v = (t/τ)·exp(1 − t/τ): peak 1 at τ; 10 % at 0.0382τ, 90 % at 0.6085τ, 1/e at 3.1462τ.
        for sign in [1.0, -1.0] {
            let v = |t: f64| 0.3 + sign * t / tau * math::exp(1.0 - t / tau);
            let samples: Vec<(f64, f64)> =
                (0..10_000).map(|k| f64::from(k) * 1e-5).map(|t| (t, v(t))).collect();
            let Shape { baseline, peak, rise, decay } = shape(&samples).unwrap();
            assert_eq!(baseline, 0.3);
            assert!((peak - sign).abs() < 1e-6);
            // Lambert's W, both branches, of −0.1/e, −0.9/e and −1/e².
            assert!((rise.unwrap() / tau - (0.608_341 - 0.038_221)).abs() < 1e-3, "{rise:?}");
            assert!((decay.unwrap() / tau - (3.146_193 - 1.0)).abs() < 1e-3, "{decay:?}");
        }
    }

    #[test]
    fn what_does_not_change_has_no_shape() {
        let flat = shape(&[(0.0, 0.2), (0.1, 0.2)]).unwrap();
        assert_eq!(flat, Shape { baseline: 0.2, peak: 0.0, rise: None, decay: None });
        assert_eq!(shape(&[]), None);
        let cut = shape(&[(0.0, 0.0), (0.1, 1.0), (0.2, 0.9)]).unwrap();
        assert_eq!(cut.decay, None);
    }
}

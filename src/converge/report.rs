//! Tables and pictures of comparisons, each with its step.

use std::io::{self, Write};

use super::{Comparison, Difference, Worst};
use crate::probe::picture::{self, Curve, Decades, Frame, Picture};
use crate::time::Time;

/// Writes one row for each step and population.
///
/// # Errors
/// Those of the writer.
pub fn table(steps: &[(Time, Comparison)], out: &mut dyn Write) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record([
        "dt_s",
        "population",
        "reference_spikes",
        "spikes",
        "mean_count_error",
        "worst_count_error",
        "worst_count_neuron",
        "mean_shift_s",
        "worst_shift_s",
        "worst_shift_neuron",
    ])?;
    for (dt, comparison) in steps {
        for (population, difference) in comparison.differences() {
            let (count, shift) = (&difference.worst_count, &difference.worst_shift_s);
            out.write_record([
                dt.to_string(),
                population.to_string(),
                difference.reference_spikes.to_string(),
                difference.spikes.to_string(),
                difference.mean_count_error.to_string(),
                count.as_ref().map_or(0, |worst| worst.error).to_string(),
                neuron(count),
                cell(difference.mean_shift_s),
                // 0 where spikes are paired and none is shifted
                cell(difference.mean_shift_s.and(Some(worst_shift_s(&difference)))),
                neuron(shift),
            ])?;
        }
    }
    out.flush()
}

/// Writes one row for each step and neuron.
///
/// # Errors
/// Those of the writer.
pub fn neurons_table(steps: &[(Time, Comparison)], out: &mut dyn Write) -> io::Result<()> {
    let mut out = csv::Writer::from_writer(out);
    out.write_record([
        "dt_s",
        "population",
        "neuron",
        "reference_spikes",
        "spikes",
        "mean_shift_s",
        "worst_shift_s",
    ])?;
    for (dt, comparison) in steps {
        for (population, rows) in &comparison.populations {
            for (neuron, row) in rows.iter().enumerate() {
                out.write_record([
                    dt.to_string(),
                    population.clone(),
                    neuron.to_string(),
                    row.reference_spikes.to_string(),
                    row.spikes.to_string(),
                    cell(row.mean_shift_s()),
                    cell(row.mean_shift_s().map(|_| row.worst_shift.seconds())),
                ])?;
            }
        }
    }
    out.flush()
}

fn cell(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

fn neuron<T>(worst: &Option<Worst<T>>) -> String {
    worst.as_ref().map_or(String::new(), |worst| worst.neuron.to_string())
}

fn worst_shift_s(difference: &Difference) -> f64 {
    difference.worst_shift_s.as_ref().map_or(0.0, |worst| worst.error)
}

/// Draws the errors of spike counts against the step.
#[must_use]
pub fn counts_picture(frame: Frame, steps: &[(Time, Comparison)]) -> Picture {
    let worst = |d: &Difference| d.worst_count.as_ref().map_or(0, |w| w.error.unsigned_abs());
    let curves = [
        curve("all neurons together", steps, |d| d.spikes.abs_diff(d.reference_spikes) as f64),
        curve("worst neuron", steps, |d| worst(d) as f64),
        curve("mean of the neurons", steps, |d| d.mean_count_error),
    ];
    picture::decades(&Decades {
        frame,
        x_label: "step of Euler's method (s)",
        y_label: "spikes missing or too many",
        curves: &curves,
        level: None,
        nothing: "no spike is missing or too many",
    })
}

/// Draws the shifts of spikes against the step, with the tolerance of the reference.
#[must_use]
pub fn shifts_picture(frame: Frame, steps: &[(Time, Comparison)], tolerance: Time) -> Picture {
    let curves = [
        curve("worst spike", steps, worst_shift_s),
        curve("mean of the spikes", steps, |d| d.mean_shift_s.unwrap_or(0.0)),
    ];
    picture::decades(&Decades {
        frame,
        x_label: "step of Euler's method (s)",
        y_label: "shift of a spike (s)",
        curves: &curves,
        level: Some((tolerance.seconds(), "tolerance of the reference")),
        nothing: "no spike is shifted",
    })
}

fn curve(label: &str, steps: &[(Time, Comparison)], y: impl Fn(&Difference) -> f64) -> Curve {
    let mut points: Vec<(f64, f64)> =
        steps.iter().map(|(dt, comparison)| (dt.seconds(), y(&comparison.total()))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Curve { label: label.into(), points }
}

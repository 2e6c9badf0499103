//! Bands: how a quantity varies over replicas, or over neurons that are driven alike.

use std::io::{self, Write};

use crate::network::Replicas;
use crate::scene::Scene;

/// The further table of probes that have a band.
pub const BAND: &str = "band";

/// The further tables of a probe that has a band where the scene has replicas.
#[must_use]
pub fn tables(scene: &Scene) -> Vec<&'static str> {
    if scene.replicas > 1 { vec![BAND] } else { Vec::new() }
}

/// The values that belong to one x.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandRow {
    /// Where on the x axis.
    pub x: f64,
    /// Half of the values are below it.
    pub median: f64,
    /// 5 % of the values are below it.
    pub p05: f64,
    /// 95 % of the values are below it.
    pub p95: f64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, with n − 1; none of a single value.
    pub std: Option<f64>,
    /// Number of values.
    pub n: u64,
}

impl BandRow {
    /// Of values, at least one.
    fn of(x: f64, mut values: Vec<f64>) -> BandRow {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        BandRow {
            x,
            median: quantile(&values, 0.5),
            p05: quantile(&values, 0.05),
            p95: quantile(&values, 0.95),
            mean,
            std: (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()),
            n: values.len() as u64,
        }
    }

    /// As pictures take it: x, 5 %, median, 95 %.
    #[must_use]
    pub fn drawn(&self) -> (f64, f64, f64, f64) {
        (self.x, self.p05, self.median, self.p95)
    }
}

/// A quantile of sorted values: linear between the two next to it, as NumPy and R (type 7) have it.
#[must_use]
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// The band of points (x, y): one row for each x, in its order.
#[must_use]
pub fn band(mut points: Vec<(f64, f64)>) -> Vec<BandRow> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let same = points.chunk_by(|a, b| a.0 == b.0);
    same.map(|of_x| BandRow::of(of_x[0].0, of_x.iter().map(|p| p.1).collect())).collect()
}

/// The band over replicas of what neurons have: their index and its value, where there is one.
#[must_use]
pub fn over_replicas(
    replicas: Replicas,
    values: impl Iterator<Item = (u32, Option<f64>)>,
) -> Vec<BandRow> {
    let of_neuron =
        |(index, value): (u32, Option<f64>)| Some((f64::from(replicas.split(index).1), value?));
    band(values.filter_map(of_neuron).collect())
}

/// Writes a band; `x` is the name of its first column.
///
/// # Errors
/// Those of the writer.
pub fn table(x: &str, rows: &[BandRow], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{x},median,p05,p95,mean,std,n")?;
    rows.iter().try_for_each(|row| {
        let BandRow { x, median, p05, p95, mean, std, n } = row;
        writeln!(out, "{x},{median},{p05},{p95},{mean},{},{n}", super::cell(*std))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `numpy.quantile` and `numpy.std(ddof=1)` say of these values.
    #[test]
    fn quantiles_lie_between_values_as_in_numpy() {
        let values = vec![(2.0, 7.0), (1.0, 5.0), (2.0, 1.0), (2.0, 2.0), (2.0, 4.0)];
        let rows = band(values);
        assert_eq!(rows.len(), 2);
        let one = BandRow { x: 1.0, median: 5.0, p05: 5.0, p95: 5.0, mean: 5.0, std: None, n: 1 };
        assert_eq!(rows[0], one);
        let BandRow { x, median, p05, p95, mean, std, n } = rows[1];
        assert_eq!((x, median, mean, n), (2.0, 3.0, 3.5, 4));
        assert!((p05 - 1.15).abs() < 1e-12 && (p95 - 6.55).abs() < 1e-12, "{p05} {p95}");
        assert!((std.unwrap() - 2.645_751_311_064_591).abs() < 1e-12);
        assert!(band(Vec::new()).is_empty());
    }
}

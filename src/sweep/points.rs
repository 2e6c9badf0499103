//! The table of points: `point,<path>…,seed,<population>.spikes…,spike_hash,error`. Where
//! `seed` is one of the paths, it has no second column.

use std::path::Path;

use crate::scene::sweep::{Coordinate, Sweep};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The number of the point, from 0.
    pub point: usize,
    /// Its values, as they stand in the table.
    pub values: Vec<String>,
    /// From which it drew.
    pub seed: u64,
    /// Spikes of each population; none of a point that failed.
    pub spikes: Vec<u64>,
    /// Digest of the spikes of all populations; none of a point that failed.
    pub hash: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The table as it is read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The populations whose spikes it counts.
    pub populations: Vec<String>,
    /// The points.
    pub rows: Vec<Row>,
}

/// A line of a table, with its line break.
fn line<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing into memory does not fail, and the cells of a line are text.
    let _ = writer.write_record(cells);
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

/// Cells at the start of a line, with the comma after them.
fn start<'c>(cells: impl IntoIterator<Item = &'c str>) -> String {
    line(cells).trim_end_matches('\n').to_string() + ","
}

/// `point,<path>…,`: what stands before the columns of a probe.
pub(super) fn lead_header(sweep: &Sweep) -> String {
    start(std::iter::once("point").chain(sweep.axes.iter().map(|axis| axis.path.as_str())))
}

/// The same of a row.
pub(super) fn lead(point: usize, values: &[&Coordinate]) -> String {
    let cells: Vec<String> =
        std::iter::once(point.to_string()).chain(values.iter().map(|v| v.cell())).collect();
    start(cells.iter().map(String::as_str))
}

/// The columns after those of the axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// Populations, in the order of the scene.
    pub populations: Vec<String>,
    /// Whether the seed has a column of its own; in a sweep over `seed` it is that of the axis.
    pub has_seed: bool,
}

impl Columns {
    /// The first line from where they begin.
    pub(super) fn header(&self) -> String {
        let spikes = self.populations.iter().map(|name| format!("{name}.spikes"));
        let mut cells: Vec<String> = self.has_seed.then(|| "seed".into()).into_iter().collect();
        cells.extend(spikes);
        cells.extend(["spike_hash", "error"].map(String::from));
        line(cells.iter().map(String::as_str))
    }

    /// A row of the table.
    pub(super) fn line(&self, row: &Row) -> String {
        let mut cells = vec![row.point.to_string()];
        cells.extend(row.values.iter().cloned());
        cells.extend(self.has_seed.then(|| row.seed.to_string()));
        let spikes = |k| row.spikes.get(k).map_or(String::new(), u64::to_string);
        cells.extend((0..self.populations.len()).map(spikes));
        cells.push(row.hash.clone().unwrap_or_default());
        cells.push(row.error.clone().unwrap_or_default());
        line(cells.iter().map(String::as_str))
    }
}

/// Reads the table of a sweep over so many paths.
///
/// # Errors
/// File, line and what is wrong.
pub fn read(path: &Path, axes: usize) -> Result<Table, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let open = csv::ReaderBuilder::new().from_path(path);
    let mut reader = open.map_err(|error| format!("{name}: {error}"))?;
    let header = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
    let columns = header.len();
    // In a sweep over seeds the axis has it.
    let seed = header.iter().take(axes + 2).position(|column| column == "seed");
    let own = axes + if seed == Some(axes + 1) { 2 } else { 1 };
    // Before them `point`, the axes and the seed, after them digest and error.
    let populations = columns.checked_sub(own + 2).filter(|_| seed.is_some()).ok_or_else(|| {
        format!("{name}: its {columns} columns are not those of a sweep of {axes} paths")
    })?;
    let named = header.iter().skip(own).take(populations);
    let named = named.map(|column| column.trim_end_matches(".spikes").to_string()).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{name}: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |text: &str| format!("{name}, line {line}: `{text}` is no whole number");
        let number = |at: usize| record[at].parse::<u64>().map_err(|_| wrong(&record[at]));
        let text = |at: usize| Some(record[at].to_string()).filter(|text| !text.is_empty());
        let error = text(columns - 1);
        let spikes = match error {
            Some(_) => Vec::new(),
            None => (0..populations).map(|k| number(own + k)).collect::<Result<_, _>>()?,
        };
        rows.push(Row {
            point: number(0)? as usize,
            values: (1..=axes).map(|at| record[at].to_string()).collect(),
            seed: number(seed.unwrap_or_default())?,
            spikes,
            hash: text(columns - 2),
            error,
        });
    }
    Ok(Table { populations: named, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_have_to_be() {
        let row = Row {
            point: 3,
            values: vec!["4e-12".into(), "Euler(dt: \"1 ms\")".into()],
            seed: 9,
            spikes: vec![5, 0],
            hash: Some("ab".into()),
            error: None,
        };
        let populations = vec!["exc".to_string(), "in,h".to_string()];
        let columns = Columns { populations, has_seed: true };
        assert_eq!(columns.line(&row), "3,4e-12,\"Euler(dt: \"\"1 ms\"\")\",9,5,0,ab,\n");
        let failed =
            Row { spikes: Vec::new(), hash: None, error: Some("a, b".into()), ..row.clone() };
        assert_eq!(columns.line(&failed), "3,4e-12,\"Euler(dt: \"\"1 ms\"\")\",9,,,,\"a, b\"\n");
        assert_eq!(columns.header(), "seed,exc.spikes,\"in,h.spikes\",spike_hash,error\n");
        let over_seeds = Columns { has_seed: false, ..columns };
        assert_eq!(over_seeds.header(), "exc.spikes,\"in,h.spikes\",spike_hash,error\n");
        assert_eq!(over_seeds.line(&row), "3,4e-12,\"Euler(dt: \"\"1 ms\"\")\",5,0,ab,\n");
    }

    #[test]
    fn a_seed_that_is_swept_over_is_that_of_its_axis() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.csv");
        let text = "point,seed,weight,dpi.spikes,spike_hash,error\n0,7,2,5,ab,\n";
        std::fs::write(&path, text).unwrap();
        let table = read(&path, 2).unwrap();
        assert_eq!(table.populations, ["dpi"]);
        assert_eq!((table.rows[0].seed, &table.rows[0].spikes[..]), (7, &[5][..]));
    }
}

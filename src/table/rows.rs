//! Some rows of a table, column by column.

use std::borrow::Cow;

use crate::network::Replicas;
use crate::time::Time;
use crate::units::Unit;

/// The cells of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Which neuron, which replica.
    Index(Vec<u32>),
    /// When.
    Time(Vec<Time>),
    /// What was measured.
    Value(Vec<f64>),
}

impl Cells {
    fn len(&self) -> usize {
        match self {
            Cells::Index(cells) => cells.len(),
            Cells::Time(cells) => cells.len(),
            Cells::Value(cells) => cells.len(),
        }
    }

    /// Bytes of a cell in a file.
    fn width(&self) -> usize {
        match self {
            Cells::Index(_) => 4,
            Cells::Time(_) | Cells::Value(_) => 8,
        }
    }

    fn append(&mut self, other: Cells) {
        match (self, other) {
            (Cells::Index(own), Cells::Index(more)) => own.extend(more),
            (Cells::Time(own), Cells::Time(more)) => own.extend(more),
            (Cells::Value(own), Cells::Value(more)) => own.extend(more),
            _ => debug_assert!(false, "columns of different kinds"),
        }
    }

    fn split(&mut self, first: usize) -> Cells {
        match self {
            Cells::Index(cells) => Cells::Index(cells.drain(..first).collect()),
            Cells::Time(cells) => Cells::Time(cells.drain(..first).collect()),
            Cells::Value(cells) => Cells::Value(cells.drain(..first).collect()),
        }
    }

    fn clear(&mut self) {
        match self {
            Cells::Index(cells) => cells.clear(),
            Cells::Time(cells) => cells.clear(),
            Cells::Value(cells) => cells.clear(),
        }
    }
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its unit; [`Unit::One`] of indices.
    pub unit: Unit,
    /// Its cells.
    pub cells: Cells,
}

impl Column {
    /// Indices of something.
    #[must_use]
    pub fn index(name: impl Into<Cow<'static, str>>, cells: Vec<u32>) -> Column {
        Column { name: name.into(), unit: Unit::One, cells: Cells::Index(cells) }
    }

    /// `time_s`.
    #[must_use]
    pub fn time(cells: Vec<Time>) -> Column {
        Column { name: "time_s".into(), unit: Unit::Second, cells: Cells::Time(cells) }
    }

    /// Values in SI units.
    #[must_use]
    pub fn value(name: impl Into<Cow<'static, str>>, unit: Unit, cells: Vec<f64>) -> Column {
        Column { name: name.into(), unit, cells: Cells::Value(cells) }
    }
}

/// Some rows of a table, column by column. Without rows they say which columns a table has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    columns: Vec<Column>,
}

impl Rows {
    /// Of columns that are all of the same length.
    #[must_use]
    pub fn new(columns: Vec<Column>) -> Rows {
        debug_assert!(columns.iter().all(|column| column.cells.len() == columns[0].cells.len()));
        Rows { columns }
    }

    /// The columns that say whose a row is: `replica` (where there are several) and `neuron`, from
    /// indices over all replicas.
    #[must_use]
    pub fn owners(replicas: Replicas, indices: impl Iterator<Item = u32>) -> Vec<Column> {
        if replicas.count == 1 {
            return vec![Column::index("neuron", indices.collect())];
        }
        let (of, neurons) = indices.map(|index| replicas.split(index)).unzip();
        vec![Column::index("replica", of), Column::index("neuron", neurons)]
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The indices of a column; none where it has no indices.
    #[must_use]
    pub fn indices(&self, name: &str) -> &[u32] {
        match self.cells(name) {
            Some(Cells::Index(cells)) => cells,
            _ => &[],
        }
    }

    /// The times of the rows; none where they have no times.
    #[must_use]
    pub fn times(&self) -> &[Time] {
        let times = self.columns.iter().find_map(|column| match &column.cells {
            Cells::Time(cells) => Some(&cells[..]),
            _ => None,
        });
        times.unwrap_or_default()
    }

    /// The values of a row, in the order of their columns.
    pub fn values(&self, row: usize) -> impl Iterator<Item = f64> {
        self.columns.iter().filter_map(move |column| match &column.cells {
            Cells::Value(cells) => Some(cells[row]),
            _ => None,
        })
    }

    fn cells(&self, name: &str) -> Option<&Cells> {
        self.columns.iter().find(|column| column.name == name).map(|column| &column.cells)
    }

    /// Bytes of a row in a file.
    pub(super) fn row_bytes(&self) -> usize {
        self.columns.iter().map(|column| column.cells.width()).sum::<usize>().max(1)
    }

    /// Earliest and latest time.
    pub(super) fn extent(&self) -> Option<(Time, Time)> {
        let wider = |(from, to): (Time, Time), time: &Time| (from.min(*time), to.max(*time));
        let (first, others) = self.times().split_first()?;
        Some(others.iter().fold((*first, *first), wider))
    }

    /// Adds rows with the same columns.
    pub(super) fn append(&mut self, more: Rows) {
        for (column, more) in self.columns.iter_mut().zip(more.columns) {
            column.cells.append(more.cells);
        }
    }

    /// Takes rows from the front.
    pub(super) fn split(&mut self, first: usize) -> Rows {
        let columns = self.columns.iter_mut().map(|column| Column {
            name: column.name.clone(),
            unit: column.unit,
            cells: column.cells.split(first),
        });
        Rows { columns: columns.collect() }
    }

    /// The same columns without rows.
    #[must_use]
    pub fn layout(&self) -> Rows {
        Rows {
            columns: self
                .columns
                .iter()
                .map(|c| {
                    let cells = match c.cells {
                        Cells::Index(_) => Cells::Index(Vec::new()),
                        Cells::Time(_) => Cells::Time(Vec::new()),
                        Cells::Value(_) => Cells::Value(Vec::new()),
                    };
                    Column { name: c.name.clone(), unit: c.unit, cells }
                })
                .collect(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.columns.iter_mut().for_each(|column| column.cells.clear());
    }

    pub(super) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }
}

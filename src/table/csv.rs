//! Tables as text, RFC 4180. Every number reads back exactly.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::str::FromStr;

use super::{Cells, PIECE_BYTES, Piece, Place, Rows, WriteTable, file_name};
use crate::time::Time;

/// Rows are written so many bytes at a time: of a run that is killed the last row is whole, too.
const TEXT_BYTES: usize = 1 << 16;

/// Writes the names of the columns.
///
/// # Errors
/// Those of the writer.
pub fn header(layout: &Rows, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = layout.columns().iter().map(|column| &*column.name).collect();
    writeln!(out, "{}", names.join(","))
}

/// Writes rows.
///
/// # Errors
/// Those of the writer.
pub fn write(rows: &Rows, out: &mut dyn Write) -> io::Result<()> {
    put(rows, &mut Vec::new(), out).map(|_| ())
}

/// Writes rows through a text, some at a time and always whole ones; gives back their bytes. (Tables are full
/// of indices and times: those go without a formatter.)
fn put(rows: &Rows, text: &mut Vec<u8>, out: &mut dyn Write) -> io::Result<usize> {
    let mut digits = itoa::Buffer::new();
    let mut bytes = 0;
    text.clear();
    // Rows are sorted by time, and where it goes by steps many have the same: where the last one stands.
    let mut last: Option<(Time, Range<usize>)> = None;
    for row in 0..rows.len() {
        for (k, column) in rows.columns().iter().enumerate() {
            if k > 0 {
                text.push(b',');
            }
            match &column.cells {
                Cells::Index(cells) => text.extend(digits.format(cells[row]).as_bytes()),
                Cells::Time(cells) => match &last {
                    Some((time, at)) if *time == cells[row] => text.extend_from_within(at.clone()),
                    _ => {
                        let from = text.len();
                        put_time(cells[row], &mut digits, text);
                        last = Some((cells[row], from..text.len()));
                    }
                },
                Cells::Value(cells) => write!(text, "{:e}", cells[row])?,
            }
        }
        text.push(b'\n');
        if text.len() >= TEXT_BYTES || row + 1 == rows.len() {
            out.write_all(text)?;
            bytes += text.len();
            text.clear();
            last = None;
        }
    }
    Ok(bytes)
}

/// Seconds, exact, as `Time` shows them.
fn put_time(time: Time, digits: &mut itoa::Buffer, text: &mut Vec<u8>) {
    let (second, ticks) = (Time::PER_SECOND, time.picoseconds());
    text.extend(digits.format(ticks / second).as_bytes());
    let fraction = ticks % second;
    if fraction > 0 {
        // With a digit before them that keeps the zeros in front.
        let all = digits.format(second + fraction);
        text.push(b'.');
        text.extend(all[1..].trim_end_matches('0').as_bytes());
    }
}

/// A table that grows by whole rows.
pub(super) struct Writer {
    file: File,
    text: Vec<u8>,
    written: Piece,
    /// Bytes that have not been forced to the disk.
    unsynced: usize,
}

impl Writer {
    pub(super) fn create(place: Place, layout: &Rows) -> io::Result<Writer> {
        let mut file = File::create(place.folder.join(place.table))?;
        let mut text = Vec::new();
        header(layout, &mut text)?;
        file.write_all(&text)?;
        Ok(Writer { file, text, written: Piece::new(place.table), unsynced: 0 })
    }
}

impl WriteTable for Writer {
    fn append(&mut self, rows: Rows, pieces: &mut Vec<Piece>) -> io::Result<()> {
        self.unsynced += put(&rows, &mut self.text, &mut self.file)?;
        self.written.add(&rows);
        if self.unsynced >= PIECE_BYTES {
            self.file.sync_data()?;
            self.unsynced = 0;
            *pieces = vec![self.written.clone()];
        }
        Ok(())
    }

    fn finish(&mut self, pieces: &mut Vec<Piece>) -> io::Result<()> {
        *pieces = vec![self.written.clone()];
        Ok(())
    }
}

/// Calls `row` for each row of a file, which has (at least) the columns of a layout.
///
/// # Errors
/// File, line and what is wrong.
pub fn read(
    path: &Path,
    layout: &Rows,
    mut row: impl FnMut(&Rows, usize) -> Result<(), String>,
) -> Result<(), String> {
    let columns: Vec<&str> = layout.columns().iter().map(|column| &*column.name).collect();
    let mut rows = layout.layout();
    cells(path, &columns, |_, cells| {
        rows.clear();
        for (column, cell) in rows.columns_mut().iter_mut().zip(cells) {
            match &mut column.cells {
                Cells::Index(cells) => cells.push(number(cell)?),
                Cells::Time(cells) => cells.push(time(cell)?),
                Cells::Value(cells) => cells.push(number(cell)?),
            }
        }
        row(&rows, 0)
    })
}

/// Calls `row` with the replica (0 in a table without replicas) and chosen columns of each row of a
/// file, as text.
///
/// # Errors
/// File, line and what is wrong.
pub fn cells(
    path: &Path,
    columns: &[&str],
    mut row: impl FnMut(u32, &[&str]) -> Result<(), String>,
) -> Result<(), String> {
    let name = file_name(path);
    let at = |line: u64, message: String| format!("{name}, line {line}: {message}");
    let open = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path);
    let mut reader = open.map_err(|error| format!("{name}: {error}"))?;
    let header = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
    let place = |column: &&str| {
        let found = header.iter().position(|known| known == *column);
        found.ok_or_else(|| {
            let has = header.iter().collect::<Vec<_>>().join(",");
            at(1, format!("there is no column `{column}`; the header is {has}"))
        })
    };
    let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let replica = header.iter().position(|known| known == "replica");
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {
                let cells: Vec<&str> = places.iter().map(|at| &record[*at]).collect();
                let line = record.position().map_or(0, csv::Position::line);
                let replica = replica.map_or(Ok(0), |at| number(&record[at]));
                replica
                    .and_then(|replica| row(replica, &cells))
                    .map_err(|message| at(line, message))?;
            }
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
}

/// Reads a number.
///
/// # Errors
/// What stands there instead.
pub fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number that can stand here"))
}

/// Reads a number, or nothing.
///
/// # Errors
/// What stands there instead.
pub fn maybe(text: &str) -> Result<Option<f64>, String> {
    if text.is_empty() { Ok(None) } else { number(text).map(Some) }
}

/// Reads a time in seconds.
///
/// # Errors
/// What stands there instead.
pub fn time(text: &str) -> Result<Time, String> {
    let no_time = || format!("`{text}` is no time in seconds");
    number::<f64>(text).ok().and_then(Time::from_seconds).ok_or_else(no_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Column;
    use proptest::prelude::*;

    /// More than are written at a time, many of them at the same time.
    #[test]
    fn rows_of_the_same_time_have_it_each() {
        let times = || (0..40_000).map(|k| Time::from_picoseconds(k / 7 % 5 * 100_000_000));
        let neurons: Vec<u32> = (0..40_000).collect();
        let columns = vec![Column::index("neuron", neurons), Column::time(times().collect())];
        let mut text = Vec::new();
        write(&Rows::new(columns), &mut text).unwrap();
        let lines = (0..40_000).zip(times()).map(|(k, time)| format!("{k},{time}\n"));
        assert_eq!(String::from_utf8(text).unwrap(), lines.collect::<String>());
    }

    proptest! {
        #[test]
        fn times_stand_as_they_are_shown(ticks in any::<u64>(), zeros in 0_u32..19) {
            let unit = 10_u64.pow(zeros);
            let time = Time::from_picoseconds(ticks / unit * unit);
            let mut text = Vec::new();
            put_time(time, &mut itoa::Buffer::new(), &mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), time.to_string());
        }
    }
}

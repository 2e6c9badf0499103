//! Tables as text, RFC 4180. Every number reads back exactly.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use super::{Cells, PIECE_BYTES, Piece, Place, Rows, WriteTable, file_name};
use crate::time::Time;

/// Room for rows that are written together, always whole ones, so that of a run that is killed the last is, too.
const TEXT_BYTES: usize = 1 << 18;
/// No cell is longer: an index has up to 10 characters, a time 21, a value 24.
const CELL_BYTES: usize = 32;

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
    Text::new().put(rows, out).map(|_| ())
}

/// Rows as text, some at a time.
struct Text {
    bytes: Vec<u8>,
    last: LastTime,
}

/// Rows are sorted by time, and where it goes by steps many have the same: the last one and its text, at the end of
/// a cell.
struct LastTime {
    time: Time,
    text: [u8; CELL_BYTES],
    len: usize,
}

impl Text {
    fn new() -> Text {
        let last = LastTime { time: Time::ZERO, text: [0; CELL_BYTES], len: 0 };
        Text { bytes: vec![0; TEXT_BYTES], last }
    }

    /// Writes rows, always whole ones; gives back their bytes.
    fn put(&mut self, rows: &Rows, out: &mut dyn Write) -> io::Result<usize> {
        let row_bytes = (CELL_BYTES + 1) * rows.columns().len().max(1);
        self.bytes.resize(row_bytes.max(TEXT_BYTES), 0);
        let most = self.bytes.len() / row_bytes;
        let mut bytes = 0;
        let (text, last) = (&mut self.bytes[..], &mut self.last);
        for first in (0..rows.len()).step_by(most) {
            let mut start = text.len();
            for row in (first..rows.len().min(first + most)).rev() {
                let mut separator = b'\n';
                for column in rows.columns().iter().rev() {
                    start = put_byte(text, start, std::mem::replace(&mut separator, b','));
                    start = match &column.cells {
                        Cells::Index(cells) => put_number(text, start, cells[row].into()),
                        Cells::Time(cells) => put_time(text, start, cells[row], last),
                        Cells::Value(cells) => put_value(text, start, cells[row]),
                    };
                }
            }
            out.write_all(&text[start..])?;
            bytes += text.len() - start;
        }
        Ok(bytes)
    }
}

// Tables are full of indices and times, which are written without a formatter, from their last digit on: each
// function puts something into a text so that it ends at `end`, and says where it begins, so that this stays in a register.

#[inline(always)]
fn put_byte(text: &mut [u8], end: usize, byte: u8) -> usize {
    text[end - 1] = byte;
    end - 1
}

/// The last characters of a cell.
#[inline(always)]
fn put_cell(text: &mut [u8], end: usize, cell: &[u8; CELL_BYTES], len: usize) -> usize {
    debug_assert!(end >= CELL_BYTES, "no cell is longer than there is room for");
    if let Some(room) = text[..end].last_chunk_mut() {
        *room = *cell;
    }
    end - len
}

/// The last digits of a number, at most four, with zeros in front.
#[inline(always)]
fn put_digits(text: &mut [u8], end: usize, number: u64, len: usize) -> usize {
    debug_assert!(end >= 4, "no cell is longer than there is room for");
    let [high, low] = [number / 100 % 100, number % 100].map(|pair| PAIRS[pair as usize]);
    if let Some(room) = text[..end].last_chunk_mut() {
        *room = [high[0], high[1], low[0], low[1]];
    }
    end - len
}

#[inline(always)]
fn put_number(text: &mut [u8], mut end: usize, mut number: u64) -> usize {
    while number >= 10_000 {
        end = put_digits(text, end, number, 4);
        number /= 10_000;
    }
    let more = |least| usize::from(number >= least);
    put_digits(text, end, number, 1 + more(10) + more(100) + more(1000))
}

/// Seconds, exact, as `Time` shows them.
#[inline(always)]
fn put_time(text: &mut [u8], end: usize, time: Time, last: &mut LastTime) -> usize {
    if last.len > 0 && last.time == time {
        return put_cell(text, end, &last.text, last.len);
    }
    let start = put_seconds(text, end, time);
    if let Some(text) = text[..end].last_chunk() {
        *last = LastTime { time, text: *text, len: end - start };
    }
    start
}

#[inline(never)]
fn put_seconds(text: &mut [u8], mut end: usize, time: Time) -> usize {
    let mut picoseconds = time.picoseconds() % Time::PER_SECOND;
    if picoseconds > 0 {
        let mut places = 12;
        while picoseconds.is_multiple_of(10_000) {
            (picoseconds, places) = (picoseconds / 10_000, places - 4);
        }
        while picoseconds.is_multiple_of(10) {
            (picoseconds, places) = (picoseconds / 10, places - 1);
        }
        while places > 0 {
            let len = places.min(4);
            end = put_digits(text, end, picoseconds, len);
            (picoseconds, places) = (picoseconds / 10_000, places - len);
        }
        end = put_byte(text, end, b'.');
    }
    put_number(text, end, time.picoseconds() / Time::PER_SECOND)
}

fn put_value(text: &mut [u8], end: usize, value: f64) -> usize {
    let mut cell = [0; CELL_BYTES];
    let mut rest = &mut cell[..];
    let written = write!(rest, "{value:e}");
    debug_assert!(written.is_ok(), "a cell has room for any number");
    let len = CELL_BYTES - rest.len();
    cell.copy_within(..len, CELL_BYTES - len);
    put_cell(text, end, &cell, len)
}

/// The numbers below 100, as two digits.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + n as u8 / 10, b'0' + n as u8 % 10];
        n += 1;
    }
    pairs
};

/// A table that grows by whole rows.
pub(super) struct Writer {
    file: File,
    text: Text,
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
        Ok(Writer { file, text: Text::new(), written: Piece::new(place.table), unsynced: 0 })
    }
}

impl WriteTable for Writer {
    fn append(&mut self, rows: Rows, pieces: &mut Vec<Piece>) -> io::Result<()> {
        self.unsynced += self.text.put(&rows, &mut self.file)?;
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
    use crate::units::Unit;
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

    /// Longer than what is written at a time otherwise.
    #[test]
    fn rows_of_many_columns_are_whole() {
        let column = |k: u32| Column::index(k.to_string(), vec![k, u32::MAX - k]);
        let columns: Vec<Column> = (0..10_000).map(column).collect();
        let mut text = Vec::new();
        write(&Rows::new(columns), &mut text).unwrap();
        let line = |number: &dyn Fn(u32) -> u32| {
            let cells: Vec<String> = (0..10_000).map(|k| number(k).to_string()).collect();
            cells.join(",") + "\n"
        };
        let expected = line(&|k| k) + &line(&|k| u32::MAX - k);
        assert!(String::from_utf8(text).unwrap() == expected);
    }

    /// The shortest and longest cells, and a time that is remembered from the rows before.
    #[test]
    fn cells_at_the_edge() {
        let indices = [0, 9, 10, 99, 100, 999, 1000, 9999, 10_000, 99_999_999, u32::MAX];
        let second = Time::from_picoseconds(Time::PER_SECOND);
        let times = [Time::ZERO, Time::ZERO, Time::TICK, second, second, Time::MAX, Time::MAX];
        let values = [
            -f64::MIN_POSITIVE,
            5e-324,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN,
        ];
        let mut text = Text::new();
        let mut found = Vec::new();
        for index in indices {
            let columns = vec![
                Column::index("neuron", vec![index; 7]),
                Column::time(times.to_vec()),
                Column::value("v", Unit::One, values.to_vec()),
            ];
            text.put(&Rows::new(columns), &mut found).unwrap();
        }
        let rows = |index: &u32| -> String {
            times.iter().zip(values).map(|(time, v)| format!("{index},{time},{v:e}\n")).collect()
        };
        assert_eq!(String::from_utf8(found).unwrap(), indices.iter().map(rows).collect::<String>());
    }

    proptest! {
        #[test]
        fn cells_of_any_length_stand_side_by_side(
            rows in prop::collection::vec((any::<u32>(), 0_u32..32, any::<u64>(), prop::num::f64::ANY), 0..100),
        ) {
            let index = rows.iter().map(|(n, shift, _, _)| n >> shift).collect();
            let time = rows.iter().map(|(_, _, t, _)| Time::from_picoseconds(*t)).collect();
            let value = rows.iter().map(|(_, _, _, v)| *v).collect();
            let columns = vec![
                Column::index("neuron", index), Column::time(time), Column::value("v", Unit::One, value),
            ];
            let mut text = Vec::new();
            write(&Rows::new(columns), &mut text).unwrap();
            let line = |(n, shift, t, v): &(u32, u32, u64, f64)| {
                format!("{},{},{v:e}\n", n >> shift, Time::from_picoseconds(*t))
            };
            prop_assert_eq!(String::from_utf8(text).unwrap(), rows.iter().map(line).collect::<String>());
        }

        #[test]
        fn times_stand_as_they_are_shown(ticks in any::<u64>(), zeros in 0_u32..19) {
            let unit = 10_u64.pow(zeros);
            let time = Time::from_picoseconds(ticks / unit * unit);
            let mut text = [0; CELL_BYTES];
            let start = put_seconds(&mut text, CELL_BYTES, time);
            prop_assert_eq!(std::str::from_utf8(&text[start..]).unwrap(), time.to_string());
        }
    }
}

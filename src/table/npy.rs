//! Tables as arrays of NumPy: times × neurons × variables, little-endian doubles.
//!
//! An array grows with time: `numpy.load` (also with `mmap_mode`) reads at any moment what its header
//! counts. What its axes stand for is in a file beside it, `vmem.axes.json` for `vmem.npy`: the first
//! time and the interval, the neuron (and replica) of each column, name and unit of each variable.
//!
//! Only what is dense can be an array: the same neurons at each of equally spaced times.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{
    Cells, Column, Origin, PIECE_BYTES, Piece, Place, Rows, WriteTable, file_name, part_name,
    put_whole,
};
use crate::time::Time;

/// The name of the file that describes the axes of an array.
pub(super) fn axes_name(table: &str) -> String {
    format!("{}.axes.json", table.trim_end_matches(".npy"))
}

const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
/// Bytes before the values: enough for any shape, and a multiple of 64 as NumPy wants it.
const HEADER: usize = 128;

/// The header of an array of doubles.
fn header(shape: [usize; 3]) -> Vec<u8> {
    let [times, owners, variables] = shape;
    let dictionary = format!(
        "{{'descr': '<f8', 'fortran_order': False, 'shape': ({times}, {owners}, {variables}), }}"
    );
    let length = HEADER - MAGIC.len() - 2;
    let mut header = MAGIC.to_vec();
    header.extend((length as u16).to_le_bytes());
    header.extend(format!("{dictionary:<width$}\n", width = length - 1).as_bytes());
    header
}

/// An array that grows.
pub(super) struct Writer {
    folder: PathBuf,
    table: String,
    /// What the file of axes says besides the axes.
    origin: Vec<(&'static str, Value)>,
    layout: Rows,
    file: Option<File>,
    /// Rows of the last time, to which more may belong.
    open: Rows,
    /// Whose rows each time has.
    owners: Option<Rows>,
    /// First time, and the second.
    times: Vec<Time>,
    complete: usize,
    /// Values of complete times that have not been written.
    waiting: Vec<u8>,
    waiting_rows: Piece,
    written: Piece,
    piece_bytes: usize,
}

impl Writer {
    pub(super) fn create(place: Place, layout: &Rows, origin: Origin) -> io::Result<Writer> {
        Ok(Writer {
            folder: place.folder.to_path_buf(),
            table: place.table.to_string(),
            origin: origin.provenance.entries(origin.probe).into(),
            layout: layout.clone(),
            file: None,
            open: layout.clone(),
            owners: None,
            times: Vec::new(),
            complete: 0,
            waiting: Vec::new(),
            waiting_rows: Piece::new(place.table),
            written: Piece::new(place.table),
            piece_bytes: PIECE_BYTES,
        })
    }

    /// Takes the rows of one time.
    fn take(&mut self, rows: &Rows) -> io::Result<()> {
        let Some(time) = rows.times().first().copied() else { return Ok(()) };
        let owners = owners(rows);
        if *self.owners.get_or_insert_with(|| owners.clone()) != owners {
            return Err(not_dense(format!("not every neuron has one row at {time} s")));
        }
        match self.times[..] {
            [] => self.times.push(time),
            [_] => self.times.push(time),
            [first, second, ..] => {
                let expected = Time::from_steps(self.complete as u64, second - first) + first;
                if time != expected {
                    return Err(not_dense(format!(
                        "after so many equal intervals {expected} s was expected, not {time} s"
                    )));
                }
            }
        }
        self.complete += 1;
        for row in 0..rows.len() {
            rows.values(row).for_each(|value| self.waiting.extend(value.to_le_bytes()));
        }
        self.waiting_rows.add(rows);
        Ok(())
    }

    /// Writes what waits, then what the header says of it: at any moment that is there.
    fn seal(&mut self) -> io::Result<()> {
        let owners = self.owners.as_ref().map_or(0, Rows::len);
        let variables = values_of(&self.layout).count();
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                self.describe()?;
                let mut file = File::create(self.folder.join(&self.table))?;
                file.write_all(&header([0, owners, variables]))?;
                file
            }
        };
        file.seek(SeekFrom::End(0))?;
        file.write_all(&self.waiting)?;
        file.sync_data()?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header([self.complete, owners, variables]))?;
        file.sync_data()?;
        self.file = Some(file);
        self.waiting.clear();
        let more = std::mem::replace(&mut self.waiting_rows, Piece::new(&self.table));
        self.written.rows += more.rows;
        self.written.from_s = self.written.from_s.or(more.from_s);
        self.written.to_s = more.to_s.or(self.written.to_s);
        Ok(())
    }

    /// Writes what the axes are.
    fn describe(&self) -> io::Result<()> {
        let seconds = |time: Time| time.seconds();
        let every = match self.times[..] {
            [first, second, ..] => Some(second - first),
            _ => None,
        };
        let mut axes = Map::new();
        axes.insert("axes".into(), json!(["time_s", "neuron", "variable"]));
        axes.insert(
            "time_s".into(),
            json!({ "from": self.times.first().copied().map(seconds), "every": every.map(seconds) }),
        );
        let empty = self.layout.layout();
        for column in owners(self.owners.as_ref().unwrap_or(&empty)).columns() {
            if let Cells::Index(cells) = &column.cells {
                axes.insert(column.name.to_string(), json!(cells));
            }
        }
        let names: Vec<&str> = values_of(&self.layout).map(|column| &*column.name).collect();
        let units: Vec<&str> = values_of(&self.layout).map(|column| column.unit.symbol()).collect();
        axes.insert("variable".into(), json!(names));
        axes.insert("unit".into(), json!(units));
        axes.extend(self.origin.iter().map(|(key, value)| (key.to_string(), value.clone())));
        let name = axes_name(&self.table);
        let text = format!("{}\n", Value::from(axes));
        put_whole(&self.folder, &part_name(&name), &name, true, |out| {
            out.write_all(text.as_bytes())
        })
    }
}

fn not_dense(why: String) -> io::Error {
    let fix = "an array cannot hold it, `format: Csv` or `format: Parquet` can";
    io::Error::other(format!("the trace is not dense, {why}; {fix}"))
}

/// The columns that say whose the rows are.
fn owners(rows: &Rows) -> Rows {
    let indices = rows.columns().iter().filter(|c| matches!(c.cells, Cells::Index(_)));
    Rows::new(indices.cloned().collect())
}

fn values_of(rows: &Rows) -> impl Iterator<Item = &Column> {
    rows.columns().iter().filter(|column| matches!(column.cells, Cells::Value(_)))
}

impl WriteTable for Writer {
    fn append(&mut self, rows: Rows, pieces: &mut Vec<Piece>) -> io::Result<()> {
        self.open.append(rows);
        let times = self.open.times();
        // The last time may go on.
        let last = times.last().copied();
        let complete = times.iter().rposition(|time| Some(*time) != last).map_or(0, |k| k + 1);
        let mut rows = self.open.split(complete);
        while let Some(first) = rows.times().first().copied() {
            let same = rows.times().iter().take_while(|time| **time == first).count();
            let of_time = rows.split(same);
            self.take(&of_time)?;
        }
        // The interval is known from the second time on.
        if self.waiting.len() >= self.piece_bytes && self.times.len() > 1 {
            self.seal()?;
            *pieces = vec![self.written.clone()];
        }
        Ok(())
    }

    fn finish(&mut self, pieces: &mut Vec<Piece>) -> io::Result<()> {
        let rows = self.open.split(self.open.len());
        let last = self.take(&rows);
        // What is complete is kept, whatever the last time lacks.
        self.seal()?;
        *pieces = vec![self.written.clone()];
        last
    }
}

/// Calls `row` for each row of an array whose columns are those of a layout.
///
/// # Errors
/// File, row and what is wrong.
pub fn read(
    table: &Path,
    layout: &Rows,
    mut row: impl FnMut(&Rows, usize) -> Result<(), String>,
) -> Result<(), String> {
    let name = file_name(table);
    let io_error = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("{name} is damaged: it ends early"),
        _ => format!("{name}: {error}"),
    };
    let mut file = BufReader::new(File::open(table).map_err(io_error)?);
    let [times, owners, variables] = read_shape(&mut file).map_err(|error| match error {
        Ok(error) => io_error(error),
        Err(message) => format!("{name} is damaged: {message}"),
    })?;
    let axes = Axes::read(&table.with_file_name(axes_name(&name)))?;
    axes.check([times, owners, variables]).map_err(|message| format!("{name}: {message}"))?;
    let wanted: Vec<usize> = values_of(layout)
        .map(|column| {
            let found = axes.variables.iter().position(|variable| *variable == column.name);
            found.ok_or_else(|| {
                let has = axes.variables.join(", ");
                format!("{name}: there is no variable `{}`; it has {has}", column.name)
            })
        })
        .collect::<Result<_, _>>()?;
    let mut bytes = vec![0; 8 * variables];
    for time in 0..times {
        let mut rows = layout.layout();
        for owner in 0..owners {
            file.read_exact(&mut bytes).map_err(io_error)?;
            let value = |k: usize| {
                let mut eight = [0; 8];
                eight.copy_from_slice(&bytes[8 * k..8 * k + 8]);
                f64::from_le_bytes(eight)
            };
            let mut wanted = wanted.iter();
            for column in rows.columns_mut() {
                match &mut column.cells {
                    Cells::Index(cells) => cells.push(axes.owner(&column.name, owner)?),
                    Cells::Time(cells) => cells.push(axes.time(time)),
                    Cells::Value(cells) => cells.extend(wanted.next().map(|k| value(*k))),
                }
            }
        }
        for k in 0..rows.len() {
            let at = |message| format!("{name}, at {} s: {message}", axes.time(time));
            row(&rows, k).map_err(at)?;
        }
    }
    Ok(())
}

/// Reads the shape from a header.
fn read_shape(file: &mut impl Read) -> Result<[usize; 3], Result<io::Error, String>> {
    let mut start = [0; 10];
    file.read_exact(&mut start).map_err(Ok)?;
    if start[..8] != MAGIC[..] {
        return Err(Err("it does not begin as an array of NumPy".into()));
    }
    let mut dictionary = vec![0; usize::from(u16::from_le_bytes([start[8], start[9]]))];
    file.read_exact(&mut dictionary).map_err(Ok)?;
    let text = String::from_utf8_lossy(&dictionary);
    let shape = || {
        let rest =
            text.trim().strip_prefix("{'descr': '<f8', 'fortran_order': False, 'shape': (")?;
        let (shape, _) = rest.split_once(')')?;
        let sizes = shape.split(',').map(|size| size.trim().parse().ok());
        <[usize; 3]>::try_from(sizes.collect::<Option<Vec<usize>>>()?).ok()
    };
    shape().ok_or_else(|| Err(format!("its header is {}", text.trim())))
}

/// What stands in the file of axes.
struct Axes {
    name: String,
    from: Option<Time>,
    every: Option<Time>,
    owners: Map<String, Value>,
    variables: Vec<String>,
}

impl Axes {
    fn read(path: &Path) -> Result<Axes, String> {
        let name = file_name(path);
        let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
        let axes: Map<String, Value> =
            serde_json::from_str(&text).map_err(|error| format!("{name} is damaged: {error}"))?;
        let time = |key: &str| {
            let seconds = axes.get("time_s")?.get(key)?.as_f64()?;
            Time::from_seconds(seconds)
        };
        let variables = axes.get("variable").and_then(Value::as_array).into_iter().flatten();
        let variables = variables.filter_map(|v| v.as_str().map(str::to_string)).collect();
        let (from, every) = (time("from"), time("every"));
        Ok(Axes { from, every, variables, owners: axes, name })
    }

    /// Whether the axes are as long as those of an array.
    fn check(&self, [times, owners, variables]: [usize; 3]) -> Result<(), String> {
        let known = self.owners.get("neuron").and_then(Value::as_array).map(Vec::len);
        let wrong = |what: &str| Err(format!("{} does not say the array's {what}", self.name));
        if (times > 0 && self.from.is_none()) || (times > 1 && self.every.is_none()) {
            return wrong("times");
        }
        if known != Some(owners) {
            return wrong("neurons");
        }
        if self.variables.len() != variables {
            return wrong("variables");
        }
        Ok(())
    }

    fn time(&self, k: usize) -> Time {
        let (from, every) = (self.from.unwrap_or_default(), self.every.unwrap_or_default());
        from + Time::from_steps(k as u64, every)
    }

    fn owner(&self, column: &str, k: usize) -> Result<u32, String> {
        let index = self.owners.get(column).and_then(|column| column.get(k)?.as_u64());
        let index = index.and_then(|index| u32::try_from(index).ok());
        index.ok_or_else(|| format!("{}: there is no `{column}` for column {k}", self.name))
    }
}

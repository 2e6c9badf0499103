//! Tables as Apache Parquet: indices are `INT32`, times (in seconds) and values `DOUBLE`; nothing is
//! ever missing.
//!
//! A Parquet file can be read only once it is complete. So a long table is a folder of pieces,
//! `spikes.parquet/00000.parquet` and so on, which pandas, polars and Arrow read as one table by the
//! folder's name; a table that fits into one piece is one file. The metadata have, under keys that
//! begin with `picoamp.`, version, scene, SHA-256 of the scene, seed, probe, tick and units.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use parquet::basic::{Compression, Encoding, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::ColumnWriterImpl;
use parquet::data_type::{DataType, DoubleType, Int32Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::FileReader;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use serde_json::Value;

use super::{
    Cells, Column, Origin, PIECE_BYTES, Piece, Place, Rows, WriteTable, file_name, part_name,
    put_whole, units,
};
use crate::time::Time;

/// The name of a piece of a table.
pub(super) fn piece_name(table: &str, piece: usize) -> String {
    format!("{table}/{piece:05}.parquet")
}

/// A table that grows by pieces.
pub(super) struct Writer {
    folder: PathBuf,
    table: String,
    schema: TypePtr,
    properties: WriterPropertiesPtr,
    /// Those that do not make a piece yet.
    rows: Rows,
    piece_rows: usize,
    pieces: usize,
}

impl Writer {
    pub(super) fn create(place: Place, layout: &Rows, origin: Origin) -> io::Result<Writer> {
        let piece_rows = PIECE_BYTES / layout.row_bytes();
        Writer::with_pieces(place, layout, origin, piece_rows)
    }

    pub(super) fn with_pieces(
        place: Place,
        layout: &Rows,
        origin: Origin,
        piece_rows: usize,
    ) -> io::Result<Writer> {
        Ok(Writer {
            folder: place.folder.to_path_buf(),
            table: place.table.to_string(),
            schema: schema(layout).map_err(io::Error::other)?,
            properties: properties(layout, origin),
            rows: layout.clone(),
            piece_rows,
            pieces: 0,
        })
    }

    /// Writes rows to a file of their own.
    fn seal(&mut self, file: &str, rows: &Rows) -> io::Result<Piece> {
        put_whole(&self.folder, &part_name(&self.table), file, true, |out| {
            write(rows, out, &self.schema, &self.properties).map_err(io::Error::other)
        })?;
        self.pieces += 1;
        let mut piece = Piece::new(file);
        piece.add(rows);
        Ok(piece)
    }
}

impl WriteTable for Writer {
    fn append(&mut self, rows: Rows, pieces: &mut Vec<Piece>) -> io::Result<()> {
        self.rows.append(rows);
        while self.rows.len() >= self.piece_rows {
            let rows = self.rows.split(self.piece_rows);
            let file = piece_name(&self.table, self.pieces);
            pieces.push(self.seal(&file, &rows)?);
        }
        Ok(())
    }

    fn finish(&mut self, pieces: &mut Vec<Piece>) -> io::Result<()> {
        if self.rows.is_empty() && self.pieces > 0 {
            return Ok(());
        }
        let is_one = self.pieces == 0 && !self.folder.join(&self.table).is_dir();
        let rows = self.rows.split(self.rows.len());
        let piece = piece_name(&self.table, self.pieces);
        let file = if is_one { self.table.clone() } else { piece };
        pieces.push(self.seal(&file, &rows)?);
        Ok(())
    }

    fn next(&self) -> Option<String> {
        Some(piece_name(&self.table, self.pieces))
    }
}

fn physical(cells: &Cells) -> Physical {
    match cells {
        // Signed: differences of unsigned numbers are a trap in pandas, and a scene has less than 2^28.
        Cells::Index(_) => Physical::INT32,
        Cells::Time(_) | Cells::Value(_) => Physical::DOUBLE,
    }
}

fn schema(layout: &Rows) -> Result<TypePtr, ParquetError> {
    let field = |column: &Column| {
        let field = Type::primitive_type_builder(&column.name, physical(&column.cells))
            .with_repetition(Repetition::REQUIRED);
        field.build().map(Arc::new)
    };
    let fields = layout.columns().iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("table").with_fields(fields).build().map(Arc::new)
}

fn properties(layout: &Rows, origin: Origin) -> WriterPropertiesPtr {
    let entries = origin.provenance.entries(origin.probe).into_iter();
    let metadata = entries.chain([("units", Value::from(units(layout)))]).map(|(key, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
        KeyValue::new(format!("picoamp.{key}"), text)
    });
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("picoamp version ", env!("CARGO_PKG_VERSION")).to_string())
        .set_key_value_metadata(Some(metadata.collect()));
    for column in layout.columns() {
        // What does not repeat: bytes of the same place after one another compress well, for
        // neighbours have the same exponent.
        if !matches!(column.cells, Cells::Index(_)) {
            let path = ColumnPath::from(&*column.name);
            properties = properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT);
        }
    }
    Arc::new(properties.build())
}

fn write(
    rows: &Rows,
    out: &mut File,
    schema: &TypePtr,
    properties: &WriterPropertiesPtr,
) -> Result<(), ParquetError> {
    let mut file = SerializedFileWriter::new(out, schema.clone(), properties.clone())?;
    let mut group = file.next_row_group()?;
    for column in rows.columns() {
        let Some(mut writer) = group.next_column()? else { break };
        match &column.cells {
            Cells::Index(cells) => {
                let bits: Vec<i32> = cells.iter().map(|cell| cell.cast_signed()).collect();
                put::<Int32Type>(&mut writer, &bits)?;
            }
            Cells::Time(cells) => {
                let seconds: Vec<f64> = cells.iter().map(|time| time.seconds()).collect();
                put::<DoubleType>(&mut writer, &seconds)?;
            }
            Cells::Value(cells) => put::<DoubleType>(&mut writer, cells)?,
        }
        writer.close()?;
    }
    group.close()?;
    file.close().map(|_| ())
}

fn put<T: DataType>(
    writer: &mut SerializedColumnWriter,
    values: &[T::T],
) -> Result<(), ParquetError> {
    let column: &mut ColumnWriterImpl<T> = writer.typed::<T>();
    column.write_batch(values, None, None).map(|_| ())
}

/// So many rows are read together.
const BATCH: usize = 1 << 13;

/// Calls `row` for each row of a table, a file or a folder of pieces, whose columns are those of a
/// layout.
///
/// # Errors
/// File, row and what is wrong.
pub fn read(
    table: &Path,
    layout: &Rows,
    mut row: impl FnMut(&Rows, usize) -> Result<(), String>,
) -> Result<(), String> {
    for (path, name) in files(table)? {
        let mut read_rows = 0;
        let mut each = |rows: &Rows| {
            for k in 0..rows.len() {
                read_rows += 1;
                row(rows, k).map_err(|message| format!("{name}, row {read_rows}: {message}"))?;
            }
            Ok(())
        };
        read_file(&path, &name, layout, &mut each)?;
    }
    Ok(())
}

/// The files of a table, and what they are called in messages.
fn files(table: &Path) -> Result<Vec<(PathBuf, String)>, String> {
    let name = file_name(table);
    if !table.is_dir() {
        return Ok(vec![(table.to_path_buf(), name)]);
    }
    let entries = fs::read_dir(table).map_err(|error| format!("{name}: {error}"))?;
    let mut found: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|file| file.ends_with(".parquet"))
        .collect();
    found.sort();
    for (k, file) in found.iter().enumerate() {
        let expected = piece_name("", k);
        if *file != expected[1..] {
            return Err(format!("{name}: the piece {} is missing", &expected[1..]));
        }
    }
    if found.is_empty() {
        return Err(format!("{name}: the folder has no pieces"));
    }
    Ok(found.into_iter().map(|file| (table.join(&file), format!("{name}/{file}"))).collect())
}

fn read_file(
    path: &Path,
    name: &str,
    layout: &Rows,
    each: &mut dyn FnMut(&Rows) -> Result<(), String>,
) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("{name}: {error}"))?;
    let broken = |error: ParquetError| format!("{name} is no sound Parquet file: {error}");
    let reader = guarded(name, || SerializedFileReader::new(file).map_err(broken))?;
    let places = places(&reader, layout).map_err(|message| format!("{name}: {message}"))?;
    for group in 0..reader.num_row_groups() {
        let (mut columns, mut left) = guarded(name, || {
            let group = reader.get_row_group(group).map_err(broken)?;
            let columns = places.iter().map(|place| group.get_column_reader(*place));
            let columns = columns.collect::<Result<Vec<_>, _>>().map_err(broken)?;
            Ok((columns, usize::try_from(group.metadata().num_rows()).unwrap_or(0)))
        })?;
        while left > 0 {
            let wanted = left.min(BATCH);
            let mut rows = layout.layout();
            for (reader, column) in columns.iter_mut().zip(rows.columns_mut()) {
                guarded(name, || {
                    fill(reader, column, wanted).map_err(|message| format!("{name}: {message}"))
                })?;
            }
            each(&rows)?;
            left -= wanted;
        }
    }
    Ok(())
}

/// Where the columns of a layout are in a file.
fn places(reader: &SerializedFileReader<File>, layout: &Rows) -> Result<Vec<usize>, String> {
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let place = |column: &Column| {
        let place = schema.columns().iter().position(|known| known.name() == column.name);
        let place = place.ok_or_else(|| {
            let has: Vec<&str> = schema.columns().iter().map(|known| known.name()).collect();
            format!("there is no column `{}`; it has {}", column.name, has.join(", "))
        })?;
        let found = &schema.columns()[place];
        if found.physical_type() != physical(&column.cells) || found.max_def_level() > 0 {
            return Err(format!("the column `{}` is not as a run writes it", column.name));
        }
        Ok(place)
    };
    layout.columns().iter().map(place).collect()
}

/// What `read` gives. Over a few of many damaged files the library panics: nobody has to see that.
fn guarded<T>(name: &str, read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    thread_local!(static IS_QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_QUIET.get() {
                usual(info);
            }
        }));
    });
    IS_QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    IS_QUIET.set(false);
    result.unwrap_or_else(|_| Err(format!("{name} is no sound Parquet file")))
}

/// Reads so many cells.
fn fill(reader: &mut ColumnReader, column: &mut Column, wanted: usize) -> Result<(), String> {
    match (reader, &mut column.cells) {
        (ColumnReader::Int32ColumnReader(reader), Cells::Index(cells)) => {
            for number in take(reader, wanted)? {
                let index = u32::try_from(number);
                cells.push(index.map_err(|_| format!("{number} is no index"))?);
            }
        }
        (ColumnReader::DoubleColumnReader(reader), Cells::Time(cells)) => {
            for seconds in take(reader, wanted)? {
                let time = Time::from_seconds(seconds);
                cells.push(time.ok_or_else(|| format!("{seconds} is no time in seconds"))?);
            }
        }
        (ColumnReader::DoubleColumnReader(reader), Cells::Value(cells)) => {
            *cells = take(reader, wanted)?;
        }
        _ => return Err(format!("the column `{}` is not as a run writes it", column.name)),
    }
    Ok(())
}

fn take<T: DataType>(reader: &mut ColumnReaderImpl<T>, wanted: usize) -> Result<Vec<T::T>, String> {
    let mut values = Vec::new();
    while values.len() < wanted {
        let left = wanted - values.len();
        let read = reader.read_records(left, None, None, &mut values);
        let (read, ..) = read.map_err(|error| format!("it is damaged: {error}"))?;
        if read == 0 {
            return Err(format!("it is damaged: {left} rows are missing"));
        }
    }
    Ok(values)
}

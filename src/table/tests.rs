//! What is written reads back, whatever the format and however the rows come; what is damaged is
//! refused.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::network::Replicas;
use crate::units::Unit;

const REPLICAS: Replicas = Replicas { count: 2, size: 5 };

/// Rows of neurons (indices over all replicas) at times, in this order.
fn rows(of: &[(u32, Time)], values: impl Fn(usize, usize) -> f64, width: usize) -> Rows {
    let mut columns = Rows::owners(REPLICAS, of.iter().map(|(index, _)| *index));
    columns.push(Column::time(of.iter().map(|(_, time)| *time).collect()));
    for (variable, (name, unit)) in
        [("Vmem", Unit::Volt), ("Imem", Unit::Ampere)].into_iter().enumerate().take(width)
    {
        let values = (0..of.len()).map(|row| values(row, variable)).collect();
        columns.push(Column::value(name, unit, values));
    }
    Rows::new(columns)
}

/// The same neurons at equally spaced times.
fn dense(times: usize, from: u64, every: u64) -> Vec<(u32, Time)> {
    let at = |k: usize| Time::from_picoseconds(from + k as u64 * every);
    (0..times).flat_map(|k| [1, 4, 7].map(|index| (index, at(k)))).collect()
}

/// Writes rows in batches of a size; gives back what the set says of the table.
fn written(folder: &Path, format: Format, all: &Rows, batch: usize) -> Result<TableRecord, Error> {
    let provenance = Provenance { scene: "a".into(), scene_sha256: "b".into(), seed: u64::MAX };
    let mut tables = TableSet::new(folder.to_path_buf(), provenance);
    tables.open("p", &name(format), format, &all.layout())?;
    let mut rest = all.clone();
    while !rest.is_empty() {
        tables.append("p", rest.split(batch.min(rest.len())))?;
    }
    tables.finish("p")?;
    Ok(tables.records().remove("p").unwrap())
}

fn name(format: Format) -> String {
    format!("p.{}", format.extension())
}

fn read_back(folder: &Path, format: Format, layout: &Rows) -> Result<Rows, String> {
    let mut all = layout.layout();
    read(&folder.join(name(format)), layout, |rows, k| {
        let mut rows = rows.clone();
        rows.split(k);
        all.append(rows.split(1));
        Ok(())
    })?;
    Ok(all)
}

/// Values that are hard to keep.
fn any_value() -> impl Strategy<Value = f64> {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Bit by bit, however many rows come at once; and the summary says how many there are.
    #[test]
    fn what_is_written_reads_back_in_every_format(
        times in 0_usize..40,
        from in 0..4_000_000_000_000_000_u64,
        every in 1..1_000_000_u64,
        values in prop::collection::vec(any_value(), 240),
        batch in 1_usize..50,
    ) {
        let all = rows(&dense(times, from, every), |row, k| values[2 * row + k], 2);
        for format in Format::ALL {
            let folder = tempfile::tempdir().unwrap();
            let record = written(folder.path(), format, &all, batch).unwrap();
            prop_assert_eq!(record.rows as usize, all.len());
            prop_assert_eq!(&record.pieces[0].file, &name(format));
            let extent = all.extent().map(|(from, to)| (from.seconds(), to.seconds()));
            prop_assert_eq!(record.pieces[0].from_s.zip(record.pieces[0].to_s), extent);
            let read = read_back(folder.path(), format, &all.layout()).unwrap();
            prop_assert_eq!(read, all.clone());
        }
    }

    /// Pieces of so many rows make the table that one file makes.
    #[test]
    fn pieces_have_all_rows_in_order(count in 0_usize..60, piece in 1_usize..20, batch in 1_usize..50) {
        let of: Vec<_> = (0..count).map(|k| (k as u32 % 10, Time::from_picoseconds(k as u64))).collect();
        let all = rows(&of, |_, _| 0.0, 0);
        let folder = tempfile::tempdir().unwrap();
        let provenance = Provenance::default();
        let place = Place { folder: folder.path(), table: "p.parquet" };
        let origin = Origin { provenance: &provenance, probe: "p" };
        let mut writer = parquet::Writer::with_pieces(place, &all.layout(), origin, piece).unwrap();
        let (mut pieces, mut rest) = (Vec::new(), all.clone());
        while !rest.is_empty() {
            let next = writer.next().unwrap();
            let before = pieces.len();
            writer.append(rest.split(batch.min(rest.len())), &mut pieces).unwrap();
            // What may come next is known before it does.
            prop_assert!(pieces.get(before).is_none_or(|piece: &Piece| piece.file == next));
        }
        writer.finish(&mut pieces).unwrap();
        prop_assert!(pieces.iter().all(|found| found.rows <= piece as u64));
        let expected = if count < piece { 1 } else { count.div_ceil(piece) };
        prop_assert_eq!(pieces.len(), expected);
        prop_assert_eq!(folder.path().join("p.parquet").is_dir(), count >= piece);
        prop_assert_eq!(read_back(folder.path(), Format::Parquet, &all.layout()).unwrap(), all);
        prop_assert!(!folder.path().join("p.parquet.part").exists());
    }
}

/// A piece that is missing is noticed where others follow it.
#[test]
fn a_missing_piece_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let of: Vec<_> =
        (0..2 * PIECE_BYTES as u32 / 16).map(|k| (0, Time::from_picoseconds(k.into()))).collect();
    let all = rows(&of, |_, _| 0.0, 0);
    let record = written(folder.path(), Format::Parquet, &all, 100_000).unwrap();
    assert_eq!(record.pieces.len(), 2);
    let first = folder.path().join("p.parquet/00000.parquet");
    fs::remove_file(first).unwrap();
    let message = read_back(folder.path(), Format::Parquet, &all.layout()).unwrap_err();
    assert_eq!(message, "p.parquet: the piece 00000.parquet is missing");
    fs::remove_file(folder.path().join("p.parquet/00001.parquet")).unwrap();
    let message = read_back(folder.path(), Format::Parquet, &all.layout()).unwrap_err();
    assert_eq!(message, "p.parquet: the folder has no pieces");
}

/// An array is what NumPy's own description of the format says, byte by byte.
#[test]
fn an_array_has_the_header_of_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let all = rows(&dense(2, 500_000_000_000, 1_000_000_000), |row, k| (2 * row + k) as f64, 2);
    written(folder.path(), Format::Npy, &all, 4).unwrap();
    let bytes = fs::read(folder.path().join("p.npy")).unwrap();
    assert_eq!(&bytes[..10], b"\x93NUMPY\x01\x00\x76\x00");
    let header = std::str::from_utf8(&bytes[10..128]).unwrap();
    assert_eq!(header.trim_end(), "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3, 2), }");
    assert!(header.ends_with(" \n"));
    let values: Vec<f64> =
        bytes[128..].chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(values, (0..12).map(f64::from).collect::<Vec<_>>());
    let axes: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("p.axes.json")).unwrap())
            .unwrap();
    let expected = serde_json::json!({
        "axes": ["time_s", "neuron", "variable"],
        "time_s": { "from": 0.5, "every": 0.001 },
        "replica": [0, 0, 1], "neuron": [1, 4, 2],
        "variable": ["Vmem", "Imem"], "unit": ["V", "A"],
        "version": env!("CARGO_PKG_VERSION"), "scene": "a", "scene_sha256": "b", "seed": u64::MAX,
        "probe": "p", "tick_s": 1e-12,
    });
    assert_eq!(axes, expected);
}

#[test]
fn what_is_not_dense_is_no_array_and_what_came_before_is_kept() {
    let good = dense(4, 0, 10);
    let refused = |of: &[(u32, Time)], expected: &str, kept: usize| {
        let folder = tempfile::tempdir().unwrap();
        let all = rows(of, |_, _| 1.0, 2);
        let message = written(folder.path(), Format::Npy, &all, 100).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("p.npy") && message.contains("format: Csv"), "{message}");
        if kept > 0 {
            let read = read_back(folder.path(), Format::Npy, &all.layout()).unwrap();
            assert_eq!(read.len(), kept);
        }
        // Any other format takes it.
        written(folder.path(), Format::Parquet, &all, 100).unwrap();
    };
    // A neuron is missing in the middle, and at the end.
    let mut one_less = good.clone();
    one_less.remove(4);
    refused(&one_less, "not every neuron has one row at 0.00000000001 s", 0);
    refused(&good[..11], "not every neuron has one row at 0.00000000003 s", 9);
    // Another neuron; a neuron twice.
    let mut other = good.clone();
    other[5].0 = 8;
    refused(&other, "not every neuron has one row at 0.00000000001 s", 0);
    // A time too late.
    let mut late = good.clone();
    late[9..].iter_mut().for_each(|(_, time)| *time = Time::from_picoseconds(31));
    refused(&late, "0.00000000003 s was expected, not 0.000000000031 s", 9);
}

/// A file that lacks its end, or has other bytes somewhere, is refused or read; nothing panics, and
/// nothing takes more memory than there is.
#[test]
fn what_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let all = rows(&dense(200, 0, 10), |row, k| (row * row + k) as f64, 2);
    let mut random = 7_u64;
    let mut next = |below: usize| {
        random = rand_philox::splitmix64(random);
        random as usize % below
    };
    for format in [Format::Parquet, Format::Npy] {
        written(folder.path(), format, &all, 100).unwrap();
        let path = folder.path().join(name(format));
        let whole = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let read = read_back(folder.path(), format, &all.layout());
            if let Err(message) = &read {
                assert!(message.starts_with(&name(format)), "{message}");
            }
            read.is_err()
        };
        for _ in 0..40 {
            assert!(refused(&whole[..next(whole.len())]));
        }
        assert!(refused(b"") && refused(b"PAR1PAR1PAR1") && refused(b"time_s,neuron\n0,1\n"));
        let mut found = 0;
        for _ in 0..2000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + next(3) {
                let at = next(bytes.len());
                bytes[at] = next(256) as u8;
            }
            found += usize::from(refused(&bytes));
        }
        // Of an array nearly all bytes are values, and each is one.
        assert!(found > if format == Format::Parquet { 200 } else { 20 }, "{format:?}: {found}");
        fs::write(&path, whole).unwrap();
        assert_eq!(read_back(folder.path(), format, &all.layout()).unwrap(), all);
    }
    // What belongs beside an array.
    let axes = folder.path().join("p.axes.json");
    let text = fs::read_to_string(&axes).unwrap();
    for (wrong, expected) in [
        ("{", "p.axes.json is damaged: "),
        (&text.replace("[1,4,2]", "[1,4]"), "p.npy: p.axes.json does not say the array's neurons"),
        (
            &text.replace("\"every\"", "\"each\""),
            "p.npy: p.axes.json does not say the array's times",
        ),
        (
            &text.replace("\"Imem\"", "\"Iahp\""),
            "p.npy: there is no variable `Imem`; it has Vmem, Iahp",
        ),
    ] {
        fs::write(&axes, wrong).unwrap();
        let message = read_back(folder.path(), Format::Npy, &all.layout()).unwrap_err();
        assert!(message.starts_with(expected), "{message}");
    }
    fs::remove_file(&axes).unwrap();
    let message = read_back(folder.path(), Format::Npy, &all.layout()).unwrap_err();
    assert!(message.starts_with("p.axes.json: "), "{message}");
}

/// A column that is not there, or of another type.
#[test]
fn other_columns_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let all = rows(&dense(2, 0, 10), |_, _| 0.0, 1);
    written(folder.path(), Format::Parquet, &all, 100).unwrap();
    let refused = |column: Column, expected: &str| {
        let layout = Rows::new(vec![column]);
        let message = read_back(folder.path(), Format::Parquet, &layout).unwrap_err();
        assert_eq!(message, expected);
    };
    refused(
        Column::index("source", Vec::new()),
        "p.parquet: there is no column `source`; it has replica, neuron, time_s, Vmem",
    );
    refused(
        Column::value("neuron", Unit::One, Vec::new()),
        "p.parquet: the column `neuron` is not as a run writes it",
    );
}

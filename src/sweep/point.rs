//! One point of a sweep: its run, and its rows of the tables.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::pictures::{self, SweepPicture};
use super::points::{self, Columns, Row};
use super::{Plan, Runner};
use crate::backend::choice::Candidates;
use crate::error::Error;
use crate::probe::digest::{self, SpikeDigests};
use crate::results::{FileNames, probe_files};
use crate::scene::sweep::Sweep;
use crate::scene::{Loaded, Scene};

/// The tables of a sweep.
#[derive(Debug)]
pub(super) struct Layout {
    /// The file of the table of points.
    pub points: String,
    /// The columns before those of a probe.
    pub lead: String,
    /// The columns of the table of points after these.
    pub columns: Columns,
    /// The tables of probes.
    pub probes: Vec<ProbeTable>,
    /// What is drawn from them.
    pub pictures: Vec<SweepPicture>,
}

/// A table of a probe.
#[derive(Debug)]
pub(super) struct ProbeTable {
    pub probe: String,
    /// Which of its further tables; the main one.
    pub further: Option<&'static str>,
    pub file: String,
}

impl Layout {
    /// Of a sweep, one of whose points has this scene.
    pub(super) fn new(sweep: &Sweep, scene: &Scene) -> Layout {
        let files = probe_files(scene);
        let mut probes = Vec::new();
        for (name, probe) in &scene.probes {
            let Some(files) = files.get(name) else { continue };
            let table = |further, file: &String| {
                let (probe, file) = (name.clone(), file.clone());
                ProbeTable { probe, further, file }
            };
            probes.push(table(None, &files.table));
            let further = probe.kind.further_tables(scene).into_iter();
            let further = further.zip(&files.further_tables);
            probes.extend(further.map(|(name, file)| table(Some(name), file)));
        }
        let mut names = FileNames::beside(files.values());
        let points = names.give("points", "csv");
        let lead = points::lead_header(sweep);
        let columns = Columns {
            populations: scene.populations.keys().cloned().collect(),
            has_seed: !sweep.is_over_seeds(),
        };
        let pictures = pictures::named(sweep, scene, &points, &probes, &files, &mut names);
        Layout { points, lead, columns, probes, pictures }
    }

    /// Its tables: first that of points.
    pub(super) fn tables(&self) -> impl Iterator<Item = String> {
        let probes = self.probes.iter().map(|table| table.file.clone());
        std::iter::once(self.points.clone()).chain(probes)
    }

    /// All its files.
    pub(super) fn files(&self) -> impl Iterator<Item = String> {
        self.tables().chain(self.pictures.iter().map(|picture| picture.file.clone()))
    }
}

/// What a point measured.
pub(super) struct Measured {
    /// Its row of the table of points.
    pub row: Row,
    /// Its rows of the tables of probes: none where it failed, and no headers either where there was nothing
    /// to run.
    pub tables: Vec<Rows>,
}

/// The spikes of a point.
struct Spikes {
    /// Of each population.
    counts: Vec<u64>,
    /// Digest of those of all.
    hash: String,
}

/// A point to be run.
pub(super) struct Point<'a> {
    pub runner: &'a Runner<'a>,
    pub plan: &'a Plan,
    pub index: usize,
}

impl Point<'_> {
    /// Runs it. `observe` is told which part is done, and says whether to stop.
    ///
    /// # Errors
    /// What is no fault of the point alone: memory, a device, and that it was stopped.
    pub(super) fn measure(&self, observe: &mut dyn FnMut(f64) -> bool) -> Result<Measured, Error> {
        let Runner { plugins, sweep, .. } = *self.runner;
        let Loaded { scene, .. } = sweep.load(plugins, self.index)?;
        let seed = scene.seed;
        let values = sweep.coordinates(self.index).iter().map(|value| value.cell()).collect();
        let row =
            Row { point: self.index, values, seed, spikes: Vec::new(), hash: None, error: None };
        let (ended, tables) = match self.run(scene, observe) {
            Ok((ended, tables)) => (ended, tables),
            Err(error) => (Err(error), Vec::new()),
        };
        let row = match ended {
            Ok(Spikes { counts, hash }) => Row { spikes: counts, hash: Some(hash), ..row },
            Err(error) if is_of_point(&error) => Row { error: Some(error.to_string()), ..row },
            Err(error) => return Err(error),
        };
        Ok(Measured { row, tables })
    }

    /// Runs the scene of a point: its spikes or why it failed on its way, and its tables.
    ///
    /// # Errors
    /// Why it could not begin; there are no tables.
    fn run(
        &self,
        scene: Scene,
        observe: &mut dyn FnMut(f64) -> bool,
    ) -> Result<(Result<Spikes, Error>, Vec<Rows>), Error> {
        let Plan { choice, side_by_side, layout, .. } = self.plan;
        let mut simulation = self.runner.plugins.build(scene)?;
        Candidates::new(*choice, Some(side_by_side.threads))?.choose(&mut simulation)?;
        simulation.leave_state();
        let ended = simulation.run_with(|state| {
            if observe(state.time.seconds() / state.duration.seconds()) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let lead = points::lead(self.index, &self.runner.sweep.coordinates(self.index));
        let mut tables = Vec::with_capacity(layout.probes.len());
        for table in &layout.probes {
            let mut rows = Rows::new(lead.clone(), ended.is_ok());
            let record = simulation.records().find(|(name, ..)| *name == table.probe);
            let written = match (record, table.further) {
                (Some((.., record)), None) => record.table(&mut rows),
                (Some((.., record)), Some(further)) => record.further_table(further, &mut rows),
                (None, _) => Ok(()),
            };
            if !rows.is_complete() {
                written.map_err(|error| Error::io("write", &table.file, error))?;
            }
            tables.push(rows);
        }
        let digests = &simulation.world().resource::<SpikeDigests>().0;
        let names = simulation.scene().populations.keys().map(String::as_str);
        let hash = digest::total(names.zip(digests.iter().copied()));
        let counts = digests.iter().map(|digest| digest.count).collect();
        Ok((ended.map(|_| Spikes { counts, hash }), tables))
    }
}

/// Whether other points can be had all the same.
fn is_of_point(error: &Error) -> bool {
    matches!(
        error,
        Error::Instance { .. }
            | Error::NotFinite { .. }
            | Error::InputOverflow { .. }
            | Error::Storm { .. }
            | Error::Model { .. }
            | Error::Connection(_)
    )
}

/// A table (RFC 4180) whose rows get further cells in front.
#[derive(Debug)]
pub(super) struct Rows {
    lead: String,
    /// The first line, without those cells.
    pub header: Vec<u8>,
    /// All others.
    pub rows: Vec<u8>,
    is_header: bool,
    /// Whether anything is kept but the header; if not, what follows is not taken.
    has_rows: bool,
    at_start: bool,
    /// Whether a line break would be a part of a cell.
    is_quoted: bool,
}

impl Rows {
    fn new(lead: String, has_rows: bool) -> Rows {
        let (header, rows) = (Vec::new(), Vec::new());
        Rows { lead, header, rows, is_header: true, has_rows, at_start: true, is_quoted: false }
    }

    /// Whether it takes nothing more, which its writer has to take for an error.
    fn is_complete(&self) -> bool {
        !self.is_header && !self.has_rows
    }
}

impl Write for Rows {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        for (taken, byte) in text.iter().enumerate() {
            if self.is_complete() {
                return Ok(taken);
            }
            if self.is_header {
                self.header.push(*byte);
            } else {
                if self.at_start {
                    self.rows.extend_from_slice(self.lead.as_bytes());
                }
                self.rows.push(*byte);
            }
            self.is_quoted ^= *byte == b'"';
            self.at_start = *byte == b'\n' && !self.is_quoted;
            self.is_header &= !self.at_start;
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_gets_the_values_of_its_point() {
        let mut rows = Rows::new("7,4e-12,".into(), true);
        // In pieces, as writers write.
        for piece in ["neuron,na", "me\n0,a", "\n1,\"two\nli", "nes, \"\"b\"\"\"\n", "2,c\n"] {
            rows.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(rows.header, b"neuron,name\n");
        let text = String::from_utf8(rows.rows).unwrap();
        assert_eq!(text, "7,4e-12,0,a\n7,4e-12,1,\"two\nlines, \"\"b\"\"\"\n7,4e-12,2,c\n");
    }

    /// Of a point that failed: no row is formatted that would not be kept.
    #[test]
    fn a_header_alone_stops_its_writer() {
        let mut rows = Rows::new("7,".into(), false);
        rows.write_all(b"\"neuron\nname\",").unwrap();
        assert!(!rows.is_complete());
        let error = rows.write_all(b"rate\n0,a\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert!(rows.is_complete() && rows.rows.is_empty());
        assert_eq!(rows.header, b"\"neuron\nname\",rate\n");
    }
}

//! The network of a scene as a graph: sources and populations as boxes, projections as arrows.

use std::fmt::Write as _;

use super::escape;
use crate::circuit::Receptor;
use crate::probe::picture::counted;
use crate::scene::{GroupId, Scene};

const BOX: (f64, f64) = (150.0, 46.0);
const COLUMN: f64 = 290.0;
const ROW: f64 = 92.0;

/// Where a group stands.
struct Place {
    group: GroupId,
    column: usize,
    row: usize,
}

impl Place {
    fn corner(&self) -> (f64, f64) {
        (60.0 + COLUMN * self.column as f64, 40.0 + ROW * self.row as f64)
    }
}

/// Sources stand on the left; a population stands right of the first group that drives it.
fn places(scene: &Scene) -> Vec<Place> {
    let mut columns: Vec<Option<usize>> = vec![None; scene.populations.len()];
    let column_of = |group: GroupId, columns: &[Option<usize>]| match group {
        GroupId::Source(_) => Some(0),
        GroupId::Population(k) => columns[k],
    };
    // As many rounds as the longest way can have.
    for _ in 0..scene.populations.len() {
        let before = columns.clone();
        for connection in &scene.connections {
            if let (None, Some(from)) = (before[connection.to], column_of(connection.from, &before))
            {
                let next = columns[connection.to].map_or(from + 1, |known| known.min(from + 1));
                columns[connection.to] = Some(next);
            }
        }
    }
    let first = usize::from(!scene.sources.is_empty());
    let sources = (0..scene.sources.len()).map(|k| (GroupId::Source(k), 0));
    let populations = columns.iter().enumerate();
    let populations =
        populations.map(|(k, column)| (GroupId::Population(k), column.unwrap_or(first)));
    let mut rows: Vec<usize> = Vec::new();
    let mut found = Vec::new();
    for (group, column) in sources.chain(populations) {
        rows.resize(rows.len().max(column + 1), 0);
        found.push(Place { group, column, row: rows[column] });
        rows[column] += 1;
    }
    found
}

fn inhibits(receptor: Receptor) -> bool {
    matches!(receptor, Receptor::Gabaa | Receptor::Gabab | Receptor::Inh)
}

/// SVG that takes its colours from the page.
pub fn graph(scene: &Scene) -> String {
    let places = places(scene);
    let place = |group: GroupId| places.iter().find(|p| p.group == group);
    let mut arrows = String::new();
    // Projections of one kind between the same two groups share an arrow; the table has each.
    let mut drawn: Vec<(GroupId, usize, bool)> = Vec::new();
    for connection in &scene.connections {
        let target = GroupId::Population(connection.to);
        let (Some(from), Some(to)) = (place(connection.from), place(target)) else { continue };
        let key = (connection.from, connection.to, inhibits(connection.receptor));
        if drawn.contains(&key) {
            continue;
        }
        // Excitation and inhibition between the same two stand apart.
        let shift = if drawn.iter().any(|d| (d.0, d.1) == (key.0, key.1)) { 12.0 } else { 0.0 };
        drawn.push(key);
        let class = if key.2 { "inh" } else { "exc" };
        let ((x0, y0), (x1, y1)) = (from.corner(), to.corner());
        let (width, height) = BOX;
        let (path, (x, y, dx, dy)) = if connection.from == target {
            // A loop over the box.
            let (left, right) = (x0 + 0.3 * width + shift, x0 + 0.7 * width + shift);
            let top = y0 - 32.0;
            (
                format!("M{left} {y0}C{left} {top} {right} {top} {right} {}", y0 - 6.0),
                (right, y0, 0.0, 1.0),
            )
        } else if to.column > from.column {
            let (a, b) = (y0 + 0.5 * height + shift, y1 + 0.5 * height + shift);
            let (start, end) = (x0 + width, x1);
            let middle = 0.5 * (start + end);
            (
                format!("M{start} {a}C{middle} {a} {middle} {b} {} {b}", end - 7.0),
                (end, b, 1.0, 0.0),
            )
        } else if to.column == from.column {
            // Down on the right, up on the left.
            let (side, out) = if to.row > from.row { (width, 1.0) } else { (0.0, -1.0) };
            let rows = (to.row as f64 - from.row as f64).abs();
            let far = x0 + side + out * (24.0 + 16.0 * rows + shift);
            let (a, b) = (y0 + 0.5 * height + shift, y1 + 0.5 * height - 10.0 + shift);
            let end = x1 + side;
            (
                format!("M{} {a}C{far} {a} {far} {b} {} {b}", x0 + side, end + 7.0 * out),
                (end, b, -out, 0.0),
            )
        } else {
            // Back: below the boxes.
            let (a, b) = (x0 + 0.75 * width + shift, x1 + 0.25 * width + shift);
            let (start, end) = (y0 + height, y1 + height);
            let low = start.max(end) + 30.0;
            (format!("M{a} {start}C{a} {low} {b} {low} {b} {}", end + 7.0), (b, end, 0.0, -1.0))
        };
        let point = |along: f64, beside: f64| {
            format!("{},{}", x - 8.0 * along * dx - beside * dy, y - 8.0 * along * dy + beside * dx)
        };
        let _ = write!(
            arrows,
            "<path class=\"{class}\" d=\"{path}\"/><polygon class=\"{class}-tip\" points=\"{} {} {}\"/>",
            point(0.0, 0.0),
            point(1.0, 4.0),
            point(1.0, -4.0),
        );
    }
    let mut boxes = String::new();
    for place in &places {
        let (x, y) = place.corner();
        let (width, height) = BOX;
        let (class, what) = match place.group {
            GroupId::Source(k) => ("source", counted(scene.sources[k].size, "source")),
            GroupId::Population(k) => {
                let population = &scene.populations[k];
                let model = population.model.name();
                ("population", format!("{}, {model}", counted(population.size, "neuron")))
            }
        };
        let name = scene.group_name(place.group);
        let short: String = if name.chars().count() > 18 {
            name.chars().take(17).chain(['…']).collect()
        } else {
            name.into()
        };
        let _ = write!(
            boxes,
            "<g class=\"{class}\"><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{width}\" \
             height=\"{height}\" rx=\"6\"/><text x=\"{}\" y=\"{}\">{}</text>\
             <text class=\"small\" x=\"{}\" y=\"{}\">{}</text></g>",
            escape(name),
            x + 10.0,
            y + 19.0,
            escape(&short),
            x + 10.0,
            y + 36.0,
            escape(&what)
        );
    }
    let columns = places.iter().map(|p| p.column).max().unwrap_or(0) as f64;
    let rows = places.iter().map(|p| p.row).max().unwrap_or(0) as f64;
    let (width, height) = (COLUMN * columns + BOX.0 + 140.0, 40.0 + ROW * rows + BOX.1 + 36.0);
    format!(
        "<svg class=\"network\" viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" \
         role=\"img\" aria-label=\"the network\">{arrows}{boxes}</svg>"
    )
}

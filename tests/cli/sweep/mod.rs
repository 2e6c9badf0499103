//! Sweeps.

mod check;
mod pictures;
mod points;
mod resume;

use super::*;

/// Regular trains, of which the count is known, and a network in which everything is drawn.
const SCENE: &str = r#"// A network at several points.
(
    seed: 3,
    duration: "0.2 s",
    replicas: 2,
    sources: {
        "clock": (size: 2, train: Regular(rates: "10 Hz")),
        "noise": (size: 5, train: Poisson(rates: "100 Hz")),
    },
    populations: {
        "dpi": (
            size: 3,
            model: dynapse1(ampa: (Iw: "2 nA")),
            mismatch: { "soma.Itau": LogNormal(cv: 0.2), "ampa.Iw": LogNormal(cv: 0.2) },
        ),
    },
    connections: [(from: "noise", to: "dpi", receptor: ampa, rule: FixedProbability(p: 0.5))],
    probes: {
        "clock": Rates(of: "clock"),
        "rates": Rates(of: "dpi"),
        "spikes": Spikes(of: "dpi"),
        "trace": Trace(of: "dpi", vars: [Vmem], neurons: [1], every: "10 ms"),
    },
    sweep: {
        "sources.clock.train.rates": List(["10 Hz", "20 Hz"]),
        "populations.dpi.model.soma.Itau": Log(from: "4 pA", to: "16 pA", n: 3),
    },
)
"#;

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()))
}

/// The rows of a CSV text, the header first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(String::from).collect()).collect()
}

/// What a summary says, which is valid at any moment.
fn summary_of(folder: &Path) -> Value {
    serde_json::from_str(&read(folder.join("summary.json"))).unwrap()
}

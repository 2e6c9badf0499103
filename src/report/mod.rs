//! Reports: a results folder as one HTML file that needs nothing else.

mod network;
mod sweep;

use std::fmt::Write as _;
use std::fs;

use indexmap::IndexMap;
use serde_json::Value;

use crate::circuit::Receptor;
use crate::experiment::{self, Subject};
use crate::model::Dpi;
use crate::network::Rule;
use crate::probe::TraceRecorder;
use crate::probe::picture::{Chart, Frame, Picture, RightAxis, quantity, three_digits};
use crate::results::Results;
use crate::scene::{Connection, GroupId, Loaded, Scene, Variable};
use crate::simulation::Simulation;
use crate::units::{self, Unit};
use crate::{Error, Plugins};

/// A report of a results folder, as HTML.
///
/// # Errors
/// As [`Plugins::load`] and [`Plugins::build`]. A probe whose tables cannot be read says so in its place.
pub fn html(results: &Results, plugins: &Plugins) -> Result<String, Error> {
    let Loaded { scene, sweep, .. } = results.scene(plugins)?;
    if let Some(sweep) = sweep {
        return sweep::html(results, plugins, &scene, &sweep);
    }
    let text = results.scene_text()?;
    let mut simulation = plugins.build(scene.clone())?;
    let mut page = Page::default();
    let raw = results.raw();
    page.head(&scene, raw);
    let unreadable: Unreadable = scene
        .probes
        .keys()
        .filter_map(|probe| Some((&**probe, results.read_back(&mut simulation, probe).err()?)))
        .collect();
    let (own, others) = experiment::further(results, &scene);
    if let Some(text) = results.measured()? {
        page.measured(&text, &own, &simulation, &unreadable);
    }
    page.probes(&simulation, &unreadable);
    page.others(results, &others);
    page.network(&scene);
    page.mismatch(raw);
    page.biases(&scene);
    page.provenance(results, &text);
    Ok(page.finish(&scene.name))
}

/// Probes whose tables cannot be read, in the order of the scene, and why.
type Unreadable<'s> = IndexMap<&'s str, String>;

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page being written.
#[derive(Default)]
struct Page {
    body: String,
    charts: Vec<Chart>,
}

impl Page {
    fn section(&mut self, title: &str) {
        let _ = write!(self.body, "<h2>{}</h2>", escape(title));
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        // What begins with a digit or a sign is a number.
        let is_number = |k: usize| {
            rows.iter()
                .all(|row| row[k].starts_with(|c: char| c.is_ascii_digit() || "-–".contains(c)))
        };
        let class = |k: usize| if is_number(k) { " class=\"n\"" } else { "" };
        let cells = |row: &[String], tag: &str| -> String {
            let cell = |(k, text): (usize, &String)| {
                format!("<{tag}{}>{}</{tag}>", class(k), escape(text))
            };
            row.iter().enumerate().map(cell).collect()
        };
        let head: Vec<String> = head.iter().map(ToString::to_string).collect();
        let _ = write!(self.body, "<div class=\"wide\"><table><tr>{}</tr>", cells(&head, "th"));
        for row in rows {
            let _ = write!(self.body, "<tr>{}</tr>", cells(row, "td"));
        }
        self.body += "</table></div>";
    }

    /// Title, question and warnings.
    fn title(&mut self, scene: &Scene, raw: &Value) {
        let _ = write!(self.body, "<h1>{}</h1>", escape(&scene.name));
        if !scene.comment.is_empty() {
            let _ = write!(self.body, "<p class=\"about\">{}</p>", escape(&scene.comment));
        }
        let text = |key: &str| raw[key].as_str().unwrap_or_default().to_string();
        if text("status") != "complete" {
            let why = raw["error"].as_str().map_or(String::new(), |e| format!(": {e}"));
            self.warn(&format!("The run is {}{why}.", text("status")));
        }
        for key in ["hints", "warnings"] {
            let found: Vec<String> = raw[key]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|hint| hint.as_str().map(str::to_string))
                .collect();
            found.iter().for_each(|hint| self.warn(hint));
        }
    }

    /// Title, question, what came out, and warnings.
    fn head(&mut self, scene: &Scene, raw: &Value) {
        self.title(scene, raw);
        let number = |key: &str| raw[key].as_f64().unwrap_or_default();
        let replicas = scene.replicas;
        let mut facts = vec![
            vec!["simulated".to_string(), format!("{} s", number("simulated_s"))],
            vec!["solver".to_string(), solver(raw)],
            vec!["seed".to_string(), scene.seed.to_string()],
            vec!["neurons".to_string(), raw["neurons"].to_string()],
            vec!["edges".to_string(), raw["edges"].to_string()],
        ];
        if replicas > 1 {
            facts.insert(3, vec!["replicas".to_string(), replicas.to_string()]);
        }
        self.table(&["", ""], &facts);
        let seconds = number("simulated_s").max(f64::MIN_POSITIVE);
        let row = |(name, population): (&String, &crate::scene::Population)| {
            let spikes = raw["spikes"][name].as_u64().unwrap_or(0);
            let neurons = population.size * replicas;
            let rate = three_digits(spikes as f64 / (neurons as f64 * seconds));
            vec![name.clone(), neurons.to_string(), spikes.to_string(), format!("{rate} Hz")]
        };
        let rows: Vec<Vec<String>> = scene.populations.iter().map(row).collect();
        if !rows.is_empty() {
            self.table(&["population", "neurons", "spikes", "rate of a neuron"], &rows);
        }
    }

    fn warn(&mut self, text: &str) {
        let _ = write!(self.body, "<p class=\"warning\">{}</p>", escape(text));
    }

    /// What `picoamp measure` has measured, and its pictures that show more than a probe.
    fn measured(
        &mut self,
        text: &str,
        pictures: &[Subject],
        simulation: &Simulation,
        unreadable: &Unreadable,
    ) {
        self.section("Measured");
        let _ = write!(self.body, "<pre>{}</pre>", escape(text.trim_end()));
        for subject in pictures {
            let mut missing = subject.probes(simulation.scene());
            missing.retain(|probe| unreadable.contains_key(probe));
            if !missing.is_empty() {
                let (about, missing) = (subject.about(), missing.join(", "));
                self.warn(&format!(
                    "The picture of {about} is left out: it needs the probe {missing}."
                ));
                continue;
            }
            match subject.of(simulation) {
                Ok(drawing) => {
                    let title = subject.about();
                    self.picture(&title, drawing.picture(title.as_str().into()), None);
                }
                Err(error) => {
                    self.warn(&format!("The picture of {} is left out: {error}.", subject.about()));
                }
            }
        }
    }

    /// Pictures that something else has drawn, as they are.
    fn others(&mut self, results: &Results, files: &[&str]) {
        if !files.is_empty() {
            self.section("Other pictures");
        }
        for file in files {
            let svg = match fs::read_to_string(results.path().join(file)) {
                Ok(svg) => svg,
                Err(error) => {
                    self.warn(&format!("The picture {file} cannot be read: {error}."));
                    continue;
                }
            };
            // In a page, SVG begins with its element, and needs no name of its language.
            let svg = svg.find("<svg").map_or("", |at| &svg[at..]);
            let svg = svg.replacen(" xmlns=\"http://www.w3.org/2000/svg\"", "", 1);
            let _ = write!(
                self.body,
                "<div class=\"card\"><h3>{}</h3><div class=\"drawn\">{svg}</div></div>",
                escape(file)
            );
        }
    }

    /// The chart of every probe.
    fn probes(&mut self, simulation: &Simulation, unreadable: &Unreadable) {
        if !simulation.scene().probes.is_empty() {
            self.section("Records");
        }
        for (name, message) in unreadable {
            self.warn(&format!("The probe {name} cannot be shown: {message}."));
        }
        for (name, kind, record) in simulation.records() {
            if unreadable.contains_key(name) {
                continue;
            }
            let heading = format!("{name} ({})", kind.name());
            let Ok(trace) = simulation.probe::<TraceRecorder>(name) else {
                self.picture(&heading, record.picture(Frame::from(heading.as_str())), None);
                continue;
            };
            for (k, variable) in trace.variables().iter().enumerate() {
                let title = format!("{heading}: {}", variable.name());
                let picture = trace.picture_of(k, Frame::from(title.as_str()));
                let right = match variable {
                    Variable::Vmem => current_axis(trace.model()),
                    _ => None,
                };
                self.picture(&title, picture, right);
            }
        }
    }

    fn picture(&mut self, title: &str, picture: Picture, right: Option<RightAxis>) {
        let _ = write!(self.body, "<div class=\"card\"><h3>{}</h3>", escape(title));
        match picture.chart() {
            Some(chart) => {
                if let Some(note) = &chart.note {
                    let _ = write!(self.body, "<p class=\"note\">{}</p>", escape(note));
                }
                let _ = write!(self.body, "<div data-chart=\"{}\"></div>", self.charts.len());
                self.charts.push(Chart { right, ..chart.clone() });
            }
            // As its plugin has drawn it.
            None => self.body += &picture.svg(),
        }
        self.body += "</div>";
    }

    /// Groups and arrows, and every projection in figures.
    fn network(&mut self, scene: &Scene) {
        self.section("Network");
        self.body += "<div class=\"card wide\">";
        self.body += &network::graph(scene);
        self.body += "<p class=\"note\">Sources are dashed; inhibition is orange.</p></div>";
        let row = |c: &Connection| {
            let (from_size, to_size) = scene.sizes(c);
            let about = if matches!(c.rule, Rule::FixedProbability { .. }) { "about " } else { "" };
            let (low, high) = c.delay.0.bounds();
            let [low, high] = [low, high].map(|time| units::format(time.seconds(), Unit::Second));
            vec![
                c.name.clone(),
                scene.group_name(c.from).to_string(),
                scene.group_name(GroupId::Population(c.to)).to_string(),
                c.receptor.name().to_string(),
                format!("{about}{}", c.edges(from_size, to_size)),
                if low == high { low } else { format!("{low} to {high}") },
            ]
        };
        let rows: Vec<Vec<String>> = scene.connections.iter().map(row).collect();
        if !rows.is_empty() {
            self.table(&["projection", "from", "to", "receptor", "edges", "delay"], &rows);
        }
    }

    /// Mismatch asked and realised, bias by bias.
    fn mismatch(&mut self, raw: &Value) {
        let mut rows = Vec::new();
        for (population, biases) in raw["mismatch"].as_object().into_iter().flatten() {
            for (bias, values) in biases.as_object().into_iter().flatten() {
                let number = |key: &str| values[key].as_f64();
                let percent = |cv: Option<f64>| {
                    cv.map_or("–".to_string(), |cv| format!("{} %", three_digits(100.0 * cv)))
                };
                let ratio = number("mean").zip(number("nominal")).map(|(mean, n)| mean / n);
                rows.push(vec![
                    population.clone(),
                    bias.clone(),
                    values["law"].as_str().unwrap_or("given").to_string(),
                    percent(number("asked_cv")),
                    percent(number("cv")),
                    ratio.map_or("–".into(), |ratio| format!("{}", three_digits(ratio))),
                    values["floored"].to_string(),
                ]);
            }
        }
        if !rows.is_empty() {
            self.section("Mismatch");
            let head =
                ["population", "bias", "law", "cv asked", "cv drawn", "mean / nominal", "floored"];
            self.table(&head, &rows);
        }
    }

    /// What the nominal biases come to, in volts and seconds.
    fn biases(&mut self, scene: &Scene) {
        let mut rows = Vec::new();
        for (name, population) in &scene.populations {
            let Some(nominal) = population.model.get::<Dpi>() else { continue };
            let constants = nominal.model.constants;
            let mut row = |circuit: &str, bias: &str, current: f64, means: String| {
                let volts = if current > 0.0 {
                    quantity(constants.voltage(current).max(0.0), Unit::Volt)
                } else {
                    "–".into()
                };
                let current = quantity(current, Unit::Ampere);
                rows.push(vec![name.clone(), circuit.into(), bias.into(), current, volts, means]);
            };
            let soma = &nominal.soma;
            let alpha =
                |gain: f64, tau: f64| format!("gain Igain/Itau = {}", three_digits(gain / tau));
            row(
                "soma",
                "Itau",
                soma.i_tau,
                format!("τ = {}", quantity(soma.tau(&constants), Unit::Second)),
            );
            row("soma", "Igain", soma.i_gain, alpha(soma.i_gain, soma.i_tau));
            row("soma", "Ith", soma.i_th, "threshold of Imem".into());
            row("soma", "Idc", soma.i_dc, "constant input".into());
            for (receptor, synapse) in &nominal.synapses {
                let tau = quantity(synapse.tau(&constants), Unit::Second);
                let jump =
                    quantity(synapse.jump(nominal.model.forms.pulse, &constants), Unit::Ampere);
                let circuit = Receptor::name(*receptor);
                row(circuit, "Itau", synapse.i_tau, format!("τ = {tau}"));
                row(circuit, "Igain", synapse.i_gain, alpha(synapse.i_gain, synapse.i_tau));
                row(circuit, "Iw", synapse.i_w, format!("a spike adds {jump}"));
            }
        }
        if !rows.is_empty() {
            self.section("Biases");
            self.body += "<p class=\"note\">Nominal values. The gate voltage of a current I is \
                          (UT/κ)·ln(I/I0).</p>";
            self.table(&["population", "circuit", "bias", "current", "gate", "means"], &rows);
        }
    }

    /// Where it comes from: enough to have it again.
    fn provenance(&mut self, results: &Results, scene: &str) {
        self.section("Provenance");
        let raw = results.raw();
        let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_string);
        let mut rows = vec![
            vec!["program".to_string(), format!("picoamp {}", text(&raw["program_version"]))],
            vec![
                "back end".into(),
                format!("{}, up to {} threads", text(&raw["backend"]), raw["threads"]),
            ],
            vec!["seed".into(), text(&raw["seed"])],
            vec!["solver".into(), solver(raw)],
            vec![
                "wall time".into(),
                format!("{} s", three_digits(raw["wall_s"]["run"].as_f64().unwrap_or(0.0))),
            ],
        ];
        for (name, hash) in &results.summary().spike_hash {
            rows.push(vec![format!("spike hash, {name}"), hash.clone()]);
        }
        rows.push(vec!["files".into(), results.summary().files.join(", ")]);
        self.table(&["", ""], &rows);
        self.scene("The scene, with everything decided", scene);
    }

    fn scene(&mut self, title: &str, text: &str) {
        let text = escape(text);
        let _ = write!(self.body, "<details><summary>{title}</summary><pre>{text}</pre></details>");
    }

    fn finish(self, title: &str) -> String {
        let charts = serde_json::to_string(&self.charts).unwrap_or_else(|_| "[]".into());
        // A script must not hold its own end.
        let charts = charts.replace("</", "<\\/").replace("<!--", "<\\!--");
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{}</title>\n<style>\n{}</style>\n\
             <script id=\"charts\" type=\"application/json\">{charts}</script>\n\
             <script>\n{}</script>\n</head>\n<body>\n{}\n</body>\n</html>\n",
            escape(title),
            include_str!("style.css"),
            include_str!("charts.js"),
            self.body
        )
    }
}

/// The solver and its step or tolerance.
fn solver(raw: &Value) -> String {
    let seconds =
        |key: &str| units::format(raw["solver"][key].as_f64().unwrap_or_default(), Unit::Second);
    match raw["solver"]["name"].as_str() {
        Some("Euler") => format!("Euler, steps of {}", seconds("dt_s")),
        _ => format!("event-driven, to {}", seconds("tolerance_s")),
    }
}

/// The current that belongs to Vmem of a DPI neuron.
fn current_axis(model: &crate::model::Model) -> Option<RightAxis> {
    let constants = model.get::<Dpi>()?.model.constants;
    let (reference, scale) = (constants.i0, constants.ut / constants.kappa);
    Some(RightAxis { label: "Imem".into(), reference, scale })
}

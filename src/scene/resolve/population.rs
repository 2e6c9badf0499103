//! `"dpi": (size: 200, model: arcana(…), mismatch: {…}, biases: File("chip.csv"), init: {…})`.

use super::super::decode::{At, Variant};
use super::super::diagnostics::{Diagnostics, suggest};
use super::super::files::{self, Folder, InputFile};
use super::super::{BiasPath, BiasSource, BiasValues, GivenBiases, Population};
use super::Names;
use super::model::is_of_other_size;
use crate::circuit::{Domain, MismatchLaw, Receptor, Waveform};
use crate::model::{Conflict, Model, Read, StateVariable};
use crate::network::Replicas;
use crate::time::Time;
use crate::units::{self, Unit};

/// What has to wait until the connections have said which circuits exist.
pub struct Rest<'n> {
    at: At<'n>,
    mismatch: Option<At<'n>>,
    biases: Option<At<'n>>,
    init: Option<At<'n>>,
    dc: Option<At<'n>>,
}

/// Reads size and model.
pub fn population<'n>(
    at: &At<'n>,
    names: &Names,
    dx: &mut Diagnostics,
) -> (Option<Population>, Option<Rest<'n>>) {
    let Some(mut fields) = at.fields(dx) else { return (None, None) };
    let size = super::size(&mut fields, dx);
    let model_at = fields.need(dx, "model", "for example model: arcana(soma: (…), ampa: (…))");
    let rest = Rest {
        at: at.clone(),
        mismatch: fields.get("mismatch"),
        biases: fields.get("biases"),
        init: fields.get("init"),
        dc: fields.get("dc"),
    };
    fields.close(dx);
    let model = model_at.and_then(|at| named_or_written(&at, names, dx));
    let population = model.map(|model| Population {
        // 0: unknown; whatever would need it is not checked.
        size: size.unwrap_or(0),
        model,
        mismatch: Vec::new(),
        biases: None,
        init: Vec::new(),
        dc: None,
    });
    (population, Some(rest))
}

fn named_or_written(at: &At, names: &Names, dx: &mut Diagnostics) -> Option<Model> {
    let named = matches!(&at.node.value,
        super::super::tree::Value::Group { name: Some(name), .. } if name.text == "Named");
    if !named {
        return super::model::model(at, names.plugins, &["Named"], dx);
    }
    let name_at = at.variant(dx, "a model", &["Named"])?.single(dx, "\"fast\"")?;
    let name = name_at.text(dx)?;
    if let Some(model) = names.models.get(name) {
        return model.clone();
    }
    let valid: Vec<&str> = names.models.keys().map(String::as_str).collect();
    name_at
        .error(dx, format!("there is no model `{name}` in `models`"))
        .help(suggest(name, &valid));
    None
}

/// Reads mismatch, measured biases and initial values into a population.
pub fn finish(
    population: &mut Option<Population>,
    rest: Rest,
    folder: &mut Folder,
    (replicas, dt): (u64, Option<Time>),
    dx: &mut Diagnostics,
) {
    let Some(population) = population else { return };
    let model = &population.model;
    if let Some(entries) = rest.mismatch.and_then(|at| at.map(dx)) {
        let mut mismatch = Vec::new();
        for (key, at) in entries {
            let path = bias_path(&key.text, model).map_err(|(message, help)| {
                dx.error(&at.path, key.span, message).help(help);
            });
            let law = law(&at, dx);
            if let (Ok(path), Some(law)) = (path, law) {
                if model.nominal(path) == Some(0.0) {
                    dx.warning(
                        &at.path,
                        key.span,
                        format!("the nominal {path} is 0, and so is every draw"),
                    )
                    .help("give it another value, or leave its mismatch out");
                }
                mismatch.push((path, law));
            }
        }
        population.mismatch = mismatch;
    }
    if let Some(at) = rest.biases
        && population.size > 0
    {
        let replicas = Replicas { count: replicas as u32, size: population.size as u32 };
        population.biases = given_biases(&at, replicas, model, folder, dx);
    }
    if let Some(entries) = rest.init.and_then(|at| at.map(dx)) {
        let valid = initial_values(model);
        let names: Vec<&str> = valid.iter().map(|(v, _)| v.variable.name()).collect();
        for (key, at) in entries {
            let known = valid.iter().find(|(v, _)| v.variable.name() == key.text);
            let Some((StateVariable { unit, .. }, receptor)) = known else {
                let circuits = model.circuits();
                let off = circuits.off.iter().find(|r| r.variable() == key.text);
                let (why, help) = match off {
                    Some(off) => (
                        format!(": the model says {}: Off", off.name()),
                        format!("leave {}: Off out of the model", off.name()),
                    ),
                    None => (String::new(), suggest(&key.text, &names)),
                };
                let message = format!("there is no state variable `{}`{why}", key.text);
                dx.error(&at.path, key.span, message).help(help);
                continue;
            };
            let Some(value) = at.quantity(dx, *unit, Domain::Any) else { continue };
            let least = model.0.least(*receptor);
            if value < least {
                let (value, least) = (units::format(value, *unit), units::format(least, *unit));
                at.error(dx, format!("{value} is below the least value {least}"))
                    .help(format!("choose at least {least} (no current of a circuit is below I0)"));
                continue;
            }
            population.init.push((*receptor, value));
        }
    }
    if let Some(at) = rest.dc {
        population.dc = waveform(&at, &population.model, folder, dx);
    }
    if let Some(dt) = dt {
        warn_of_coarse_step(&population.model, dt, &rest.at, dx);
    }
}

/// The state variables that can be given initial values: the membrane and the currents of circuits
/// that exist.
fn initial_values(model: &Model) -> Vec<(StateVariable, Option<Receptor>)> {
    let circuits = model.circuits();
    let of = |v: StateVariable| match v.read {
        Read::Membrane => Some((v, None)),
        Read::Circuit(circuit) if circuits.has(circuit) => Some((v, Some(circuit))),
        _ => None,
    };
    model.variables().into_iter().filter_map(of).collect()
}

/// Reads `soma.Itau`; the error is a message and its remedy.
fn bias_path(name: &str, model: &Model) -> Result<BiasPath, (String, String)> {
    let (circuit, bias) = name.split_once('.').unwrap_or(("", name));
    let receptor = model.0.all_circuits().iter().copied().find(|r| r.name() == circuit);
    let circuits = model.circuits();
    match receptor {
        Some(receptor) if circuits.is_off(receptor) => {
            return Err((
                format!("this population has no {circuit} circuit: the model says {circuit}: Off"),
                format!("leave {circuit}: Off out of the model"),
            ));
        }
        Some(receptor) if !circuits.has(receptor) => {
            return Err((
                format!("this population has no {circuit} circuit: nothing connects to it"),
                format!(
                    "connect something to {circuit}, or mention it in the model: {circuit}: ()"
                ),
            ));
        }
        _ => {}
    }
    let paths = model.bias_paths();
    let found = paths.iter().find(|path| path.circuit() == circuit && path.bias == bias).copied();
    found.ok_or_else(|| {
        let names: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // A bias without its circuit: every circuit that has one.
        let full: Vec<&str> = names
            .iter()
            .copied()
            .filter(|n| n.split_once('.').is_some_and(|(_, b)| b == name))
            .collect();
        let help = if full.is_empty() {
            suggest(name, &names)
        } else {
            format!("name its circuit, too: {}", full.join(", "))
        };
        (format!("there is no bias `{name}`"), help)
    })
}

fn law(at: &At, dx: &mut Diagnostics) -> Option<MismatchLaw> {
    let variant =
        at.variant(dx, "a mismatch law", &["LogNormal", "Gaussian", "TruncatedGaussian"])?;
    let mut fields = variant.fields(dx)?;
    let cv_at = fields.need(dx, "cv", "for example LogNormal(cv: 0.2)");
    fields.close(dx);
    let cv_at = cv_at?;
    let cv = cv_at.number(dx)?;
    if !(0.0..=1.0).contains(&cv) {
        let message = format!("the coefficient of variation must be between 0 and 1, but is {cv}");
        let fraction = cv / 100.0;
        cv_at.error(dx, message).help(if cv > 1.0 {
            // 0.20 rather than 0.2, but 0.015 as it is.
            let (short, whole) = (format!("{fraction:.2}"), format!("{fraction}"));
            let shown = if whole.len() > short.len() { whole } else { short };
            format!("did you mean {shown}? (0.20 is 20 %)")
        } else {
            "0.20 is 20 %".to_string()
        });
        return None;
    }
    Some(match variant.name {
        "LogNormal" => MismatchLaw::LogNormal { cv },
        "Gaussian" => MismatchLaw::Gaussian { cv },
        _ => MismatchLaw::TruncatedGaussian { cv },
    })
}

/// `biases: File("chip.csv")`, `biases: Given({ "soma.Idc": Linear(from: "0 A", to: "1 nA") })`
fn given_biases(
    at: &At,
    replicas: Replicas,
    model: &Model,
    folder: &mut Folder,
    dx: &mut Diagnostics,
) -> Option<GivenBiases> {
    let variant = at.variant(dx, "given biases", &["File", "Given"])?;
    if variant.name == "Given" {
        return biases_in_scene(&variant, replicas, model, dx);
    }
    let path = variant.single(dx, "\"chip.csv\"")?;
    let file = folder.read(&path, dx)?;
    let column = |name: &str| bias_path(name, model).map(|_| ());
    let check = |name: &str, value: f64| {
        let path = bias_path(name, model).map_err(|(message, _)| message)?;
        model.bias(path).map_or(Ok(()), |bias| bias.domain.check(value, bias.unit))
    };
    let table = files::neuron_table(&file, replicas, column, check, &path, dx)?;
    check_rows(&table, replicas, model, &path, dx);
    let columns: Result<Vec<BiasPath>, _> =
        table.columns.iter().map(|name| bias_path(name, model)).collect();
    if let Ok(columns) = &columns {
        warn_of_units(&file, &table, columns, replicas, model, &path, dx);
    }
    let by_replica = table.by_replica;
    let (source, columns) = (BiasSource::File(file), columns.ok()?);
    Some(GivenBiases { source, columns, by_replica, rows: table.rows.into() })
}

/// Numbers in a file have no units of their own: one in pA looks like so many amperes. Said once for each
/// column.
fn warn_of_units(
    file: &InputFile,
    table: &files::NeuronTable,
    columns: &[BiasPath],
    replicas: Replicas,
    model: &Model,
    at: &At,
    dx: &mut Diagnostics,
) {
    for (k, path) in columns.iter().enumerate() {
        let (Some(bias), Some(usual)) = (model.bias(*path), model.nominal(*path)) else { continue };
        let is_odd = |value: f64| is_of_other_size(bias.name, value, usual);
        let Some((neuron, values)) = table.rows.iter().find(|(_, values)| is_odd(values[k])) else {
            continue;
        };
        let id = files::row_id(replicas, table.by_replica, *neuron);
        let [value, own] = [values[k], usual].map(|value| units::rounded(value, bias.unit));
        let message =
            format!("{}, {id}: {path} = {value} is far from the model's {own}", file.path);
        at.warning(dx, message)
            .help(format!("numbers in files are in SI units: {own} is written {usual:e}"));
    }
}

fn biases_in_scene(
    variant: &Variant,
    replicas: Replicas,
    model: &Model,
    dx: &mut Diagnostics,
) -> Option<GivenBiases> {
    const EXAMPLE: &str = "{ \"soma.Idc\": Linear(from: \"0 A\", to: \"1 nA\") }";
    let map = variant.single(dx, EXAMPLE)?;
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    let errors = dx.errors();
    for (key, at) in map.map(dx)? {
        let path = bias_path(&key.text, model).map_err(|(message, help)| {
            dx.error(&at.path, key.span, message).help(help);
        });
        let Ok(path) = path else { continue };
        let Some(bias) = model.bias(path) else { continue };
        let quantity = |at: &At, dx: &mut Diagnostics| at.quantity(dx, bias.unit, bias.domain);
        let variant = at.variant(dx, "values of a bias", &["Linear", "List"]);
        let read = variant.and_then(|variant| match variant.name {
            "Linear" => {
                const HELP: &str = "for example Linear(from: \"0 A\", to: \"1 nA\")";
                let mut fields = variant.fields(dx)?;
                let [from, to] = ["from", "to"]
                    .map(|end| fields.need(dx, end, HELP).and_then(|at| quantity(&at, dx)));
                fields.close(dx);
                Some(BiasValues::Linear { from: from?, to: to? })
            }
            _ => {
                let list = variant.single(dx, "[\"1 pA\", \"2 pA\"]")?;
                let items = list.list(dx)?;
                if items.len() as u32 != replicas.size {
                    let message = format!("{} values for {} neurons", items.len(), replicas.size);
                    list.error(dx, message).help("give one value for each neuron");
                    return None;
                }
                let read: Vec<Option<f64>> = items.iter().map(|at| quantity(at, dx)).collect();
                Some(BiasValues::List(read.into_iter().collect::<Option<_>>()?))
            }
        });
        columns.push(path);
        values.extend(read);
    }
    if dx.errors() > errors {
        return None;
    }
    let size = u64::from(replicas.size);
    let row = |k: u64| (k as u32, values.iter().map(|v: &BiasValues| v.of(k, size)).collect());
    let rows: Vec<(u32, Vec<f64>)> = (0..size).map(row).collect();
    let names = columns.iter().map(ToString::to_string).collect();
    let table = files::NeuronTable { columns: names, by_replica: false, rows };
    check_rows(&table, replicas, model, &map, dx);
    let source = BiasSource::Scene(values);
    Some(GivenBiases { source, columns, by_replica: false, rows: table.rows.into() })
}

/// Measured biases must go together with each other and the nominal ones. (Where mismatch draws one
/// of them, the drawn instance is checked when it is made.)
fn check_rows(
    table: &files::NeuronTable,
    replicas: Replicas,
    model: &Model,
    at: &At,
    dx: &mut Diagnostics,
) {
    let of_soma = |name: &str| name.strip_prefix("soma.").map(str::to_string);
    let columns: Vec<Option<String>> = table.columns.iter().map(|name| of_soma(name)).collect();
    for (neuron, values) in &table.rows {
        let soma = columns.iter().zip(values).filter_map(|(name, v)| Some((name.as_deref()?, *v)));
        let soma: Vec<(&str, f64)> = soma.collect();
        if let Some(Conflict { message, .. }) = model.0.check_with(&soma) {
            let id = files::row_id(replicas, table.by_replica, *neuron);
            at.error(dx, format!("{id}: {message}")).help("correct the values of this neuron");
            return;
        }
    }
}

/// `dc: Steps([("0.1 s", "20 pA"), …])`, `Ramp(from, to, start, end)` or `File("dc.csv")`.
fn waveform(at: &At, model: &Model, folder: &mut Folder, dx: &mut Diagnostics) -> Option<Waveform> {
    let Some(unit) = model.0.dc_unit() else {
        at.error(dx, format!("the model {} has no direct input", model.name()))
            .help("leave `dc` out");
        return None;
    };
    // No current flows out of a DC input; what drives a LIF neuron is a number.
    let domain = if unit == Unit::Ampere { Domain::NonNegative } else { Domain::Any };
    let variant = at.variant(dx, "a waveform", &["Steps", "Ramp", "File"])?;
    match variant.name {
        "Steps" => {
            let list = variant.single(dx, "[(\"0.1 s\", \"20 pA\"), (\"0.2 s\", \"0 A\")]")?;
            let mut steps: Vec<(Time, f64)> = Vec::new();
            let errors = dx.errors();
            for item in list.list(dx)? {
                let parts = item.tuple();
                let Some([time, value]) = parts.as_deref() else {
                    item.error(dx, format!("expected a step, found {}", item.node.noun()))
                        .help("write (\"time\", \"value\"), for example (\"0.1 s\", \"20 pA\")");
                    continue;
                };
                let value = value.quantity(dx, unit, domain);
                let Some(start) = time.time(dx, Domain::NonNegative) else { continue };
                if steps.last().is_some_and(|(last, _)| start <= *last) {
                    time.error(dx, format!("{start} s does not come after the step before it"))
                        .help("sort the steps by time, each time once");
                }
                steps.extend(value.map(|value| (start, value)));
            }
            (dx.errors() == errors).then(|| Waveform::Steps(steps.into()))
        }
        "Ramp" => {
            const HELP: &str = "a ramp has `from`, `to`, `start` and `end`";
            let mut fields = variant.fields(dx)?;
            let ends = ["from", "to"]
                .map(|key| fields.need(dx, key, HELP).and_then(|at| at.quantity(dx, unit, domain)));
            let times = ["start", "end"].map(|key| {
                fields.need(dx, key, HELP).and_then(|at| at.time(dx, Domain::NonNegative))
            });
            fields.close(dx);
            let ([Some(from), Some(to)], [Some(start), Some(end)]) = (ends, times) else {
                return None;
            };
            if start >= end {
                at.error(dx, format!("the ramp ends at {end} s, before it starts at {start} s"))
                    .help("choose an end after the start");
                return None;
            }
            Some(Waveform::Ramp { from, to, start, end })
        }
        _ => {
            const HEADER: &str = "the first line is the header time_s,value";
            let path = variant.single(dx, "\"dc.csv\"")?;
            let file = folder.read(&path, dx)?;
            let check = |value| {
                let checked = domain.check(value, unit);
                checked.map_err(|rule| (rule, "values are in SI units, for example 2e-11"))
            };
            let table = files::time_table(&file, HEADER, check, &path, dx)?;
            if table.columns != ["value"] {
                let header = format!("{}: the columns are {}", file.path, table.columns.join(", "));
                path.error(dx, header).help(HEADER);
                return None;
            }
            let steps = table.rows.into_iter().map(|(time, values)| (time, values[0])).collect();
            Some(Waveform::File(file, steps))
        }
    }
}

/// A step longer than a time constant gives nonsense without any other sign of it, and so does one
/// so short that single precision loses what it adds.
fn warn_of_coarse_step(model: &Model, dt: Time, at: &At, dx: &mut Diagnostics) {
    let taus = model.0.time_constants();
    for &(name, tau) in &taus {
        if dt.seconds() < 1e-6 * tau {
            let tau = units::rounded(tau, Unit::Second);
            let message =
                format!("the step dt = {dt} s is less than a millionth of τ of {name}, {tau}");
            dx.warning(&at.path, at.head(), message)
                .help("single precision loses what such a step adds; choose a longer one");
        }
    }
    for (name, tau) in taus {
        if dt.seconds() > tau {
            let tau = units::rounded(tau, Unit::Second);
            dx.warning(
                &at.path,
                at.head(),
                format!("the step dt = {dt} s is longer than τ of {name}, {tau}"),
            )
            .help("choose a step well below the shortest time constant");
        }
    }
}

//! The rates of a group of sources.

use crate::circuit::Domain;
use crate::scene::decode::{At, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::write;
use crate::units::{self, Unit};

/// One source: no address-event bus carries more than a million events a second of one address.
const HIGHEST_RATE: f64 = 1e6;

/// How rates are written.
pub(super) const HELP: &str =
    "for example rates: \"100 Hz\", Linear(from: \"0 Hz\", to: \"199 Hz\") or List([\"1 Hz\", …])";

/// The rates of a group of sources, Hz; 0 is silent.
#[derive(Debug, Clone, PartialEq)]
pub enum Rates {
    /// The same for all.
    One(f64),
    /// Evenly spaced from the first source to the last.
    Linear {
        /// Rate of source 0.
        from: f64,
        /// Rate of the last source.
        to: f64,
        /// How many sources.
        size: u64,
    },
    /// One for each.
    List(Vec<f64>),
}

impl Rates {
    /// The rate of a source, Hz.
    #[must_use]
    pub fn of(&self, index: u64) -> f64 {
        match self {
            Rates::One(rate) => *rate,
            Rates::Linear { from, size: 1, .. } => *from,
            Rates::Linear { from, to, size } => {
                from + (to - from) * index as f64 / (size - 1) as f64
            }
            Rates::List(rates) => rates[index as usize],
        }
    }

    /// The mean over the group, Hz.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Rates::One(rate) => *rate,
            Rates::Linear { size, .. } => (self.of(0) + self.of(size - 1)) / 2.0,
            Rates::List(rates) => rates.iter().sum::<f64>() / rates.len() as f64,
        }
    }

    /// The highest of the group, Hz.
    #[must_use]
    pub fn highest(&self) -> f64 {
        match self {
            Rates::One(rate) => *rate,
            Rates::Linear { size, .. } => self.of(0).max(self.of(size - 1)),
            Rates::List(rates) => rates.iter().copied().fold(0.0, f64::max),
        }
    }

    /// Reads one rate, `Linear(from, to)` or `List([…])` for `size` sources.
    pub fn read(at: &At, size: u64, dx: &mut Diagnostics) -> Option<Rates> {
        if at.is_scalar() {
            return Some(Rates::One(rate(at, dx)?));
        }
        if at.is_list() {
            at.error(dx, "a list of rates has a name")
                .help("write it like List([\"50 Hz\", \"20 Hz\"])");
            return None;
        }
        let variant = at.variant(dx, "a list of rates", &["Linear", "List"])?;
        Rates::read_named(&variant, size, dx)
    }

    /// Reads `Linear(from, to)` or `List([…])`.
    pub(super) fn read_named(variant: &Variant, size: u64, dx: &mut Diagnostics) -> Option<Rates> {
        if variant.name == "Linear" {
            let mut fields = variant.fields(dx)?;
            let mut end = |key| {
                let at = fields.need(dx, key, HELP)?;
                rate(&at, dx)
            };
            let (from, to) = (end("from"), end("to"));
            fields.close(dx);
            return Some(Rates::Linear { from: from?, to: to?, size });
        }
        let list = variant.single(dx, "[\"1 Hz\", \"2 Hz\"]")?;
        let items = list.list(dx)?;
        if items.len() as u64 != size {
            list.error(dx, format!("{} rates for {size} sources", items.len()))
                .help("give one rate for each source");
            return None;
        }
        let read: Vec<Option<f64>> = items.iter().map(|at| rate(at, dx)).collect();
        Some(Rates::List(read.into_iter().collect::<Option<_>>()?))
    }

    /// As [`Rates::read`] reads them.
    #[must_use]
    pub fn ron(&self) -> String {
        let hertz = |rate: &f64| write::quantity(*rate, Unit::Hertz);
        match self {
            Rates::One(rate) => hertz(rate),
            Rates::Linear { from, to, .. } => {
                format!("Linear(from: {}, to: {})", hertz(from), hertz(to))
            }
            Rates::List(list) => {
                let list: Vec<String> = list.iter().map(hertz).collect();
                format!("List([{}])", write::lines(&list))
            }
        }
    }
}

/// Reads the rate of a source, Hz: 0 to 1 MHz.
pub fn rate(at: &At, dx: &mut Diagnostics) -> Option<f64> {
    let rate = at.quantity(dx, Unit::Hertz, Domain::NonNegative)?;
    if let Err(rule) = check(rate) {
        at.error(dx, rule).help("the highest rate of a source is 1 MHz; use several sources");
        return None;
    }
    Some(rate)
}

/// Whether a source can have this rate, Hz; else the rule that is broken.
pub(super) fn check(rate: f64) -> Result<(), String> {
    if rate > HIGHEST_RATE {
        return Err(format!("{} is above 1 MHz", units::format(rate, Unit::Hertz)));
    }
    Ok(())
}

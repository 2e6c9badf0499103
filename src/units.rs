//! Physical quantities as people write them: `"4 pA"`, `"1 ms"`, `"1.4e9 /A"`.
//!
//! A quantity is read by moving the prefix into the decimal exponent *before* the text becomes a
//! floating-point number, so `"4 pA"` is exactly the double nearest to 4·10⁻¹² (and not 4 times a
//! rounded 10⁻¹²), and what [`format()`] writes [`parse`] reads back bit for bit.

use std::fmt;

/// The unit that a scene key expects; values inside the program are always in the SI unit itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Currents, A.
    Ampere,
    /// Voltages, V.
    Volt,
    /// Capacitances, F.
    Farad,
    /// Times, s.
    Second,
    /// Rates, Hz.
    Hertz,
    /// Inverse currents, 1/A (the slope of the power-law feedback's gate).
    PerAmpere,
    /// A plain number (κ, weights): written without a unit.
    One,
}

impl Unit {
    /// The symbol after the prefix; `/A` for inverse currents.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::Ampere => "A",
            Unit::Volt => "V",
            Unit::Farad => "F",
            Unit::Second => "s",
            Unit::Hertz => "Hz",
            Unit::PerAmpere => "/A",
            Unit::One => "",
        }
    }

    /// What the quantity is called in messages.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Unit::Ampere => "a current",
            Unit::Volt => "a voltage",
            Unit::Farad => "a capacitance",
            Unit::Second => "a time",
            Unit::Hertz => "a rate",
            Unit::PerAmpere => "an inverse current",
            Unit::One => "a number",
        }
    }

    /// A typical value, to show how one is written.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Unit::Ampere => "\"4 pA\"",
            Unit::Volt => "\"25 mV\"",
            Unit::Farad => "\"2 pF\"",
            Unit::Second => "\"1 ms\"",
            Unit::Hertz => "\"100 Hz\"",
            Unit::PerAmpere => "\"1.4e9 /A\"",
            Unit::One => "0.7",
        }
    }

    /// The prefix under which a bare number of this unit was probably meant.
    fn usual_prefix(self) -> &'static str {
        match self {
            Unit::Ampere | Unit::Farad => "p",
            Unit::Volt | Unit::Second => "m",
            Unit::Hertz | Unit::PerAmpere | Unit::One => "",
        }
    }
}

/// Why a text is not the quantity that was asked for. The messages name the remedy.
#[derive(Debug, Clone, PartialEq)]
pub enum QuantityError {
    /// A number without its unit.
    NoUnit {
        /// The number.
        number: String,
        /// The unit that is missing.
        expected: Unit,
    },
    /// A number with another unit, or with none that is known.
    WrongUnit {
        /// What stands after the number.
        found: String,
        /// The unit that should.
        expected: Unit,
    },
    /// Not a number at all.
    NotANumber {
        /// What was typed.
        text: String,
        /// The unit of what is expected.
        expected: Unit,
    },
    /// NaN, an infinity, or a number beyond the range of double precision.
    NotFinite {
        /// What was typed.
        text: String,
    },
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUnit { number, expected } => {
                write!(f, "`{number}` has no unit, but {} is expected", expected.noun())
            }
            Self::WrongUnit { found, expected } => {
                write!(f, "`{found}` is not a unit of {}", expected.noun())
            }
            Self::NotANumber { text, expected } => {
                write!(f, "`{text}` is not {}: a number and a unit are expected", expected.noun())
            }
            Self::NotFinite { text } => write!(f, "`{text}` is not a finite number"),
        }
    }
}

impl std::error::Error for QuantityError {}

impl QuantityError {
    /// What to write instead.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::NoUnit { number, expected } => {
                // With an exponent the number was meant in the unit itself: 4e-12 is in A.
                let has_exponent = number.contains(['e', 'E']);
                let prefix = if has_exponent { "" } else { expected.usual_prefix() };
                let symbol = expected.symbol();
                let or = match expected {
                    Unit::Second if !has_exponent => format!(" or \"{number} s\""),
                    _ => String::new(),
                };
                format!("write it with its unit, for example \"{number} {prefix}{symbol}\"{or}")
            }
            Self::WrongUnit { expected, .. } => format!(
                "write {} in {}, with a prefix if you like (a f p n u m k M G), for example {}",
                expected.noun(),
                expected.symbol(),
                expected.example()
            ),
            Self::NotANumber { expected, .. } => {
                format!("write it like {}", expected.example())
            }
            Self::NotFinite { .. } => "write a finite number".to_string(),
        }
    }
}

/// Prefixes and their decimal exponents. `µ` is read in both of its code points.
const PREFIXES: [(&str, i32); 12] = [
    ("a", -18),
    ("f", -15),
    ("p", -12),
    ("n", -9),
    ("u", -6),
    ("\u{b5}", -6),
    ("\u{3bc}", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
];

/// Reads a quantity of the given unit; the result is in the SI unit.
///
/// # Errors
/// [`QuantityError`] when the text is no finite number followed by (a prefix and) the unit.
pub fn parse(text: &str, unit: Unit) -> Result<f64, QuantityError> {
    let trimmed = text.trim();
    let split = number_length(trimmed);
    let (number, rest) = trimmed.split_at(split);
    let suffix = rest.trim();
    if split == 0 {
        let lower = trimmed.trim_start_matches(['+', '-']).to_ascii_lowercase();
        return Err(if lower.starts_with("nan") || lower.starts_with("inf") {
            QuantityError::NotFinite { text: trimmed.into() }
        } else {
            QuantityError::NotANumber { text: trimmed.into(), expected: unit }
        });
    }
    if !shifted(number, 0).is_finite() {
        return Err(QuantityError::NotFinite { text: trimmed.into() });
    }
    if suffix.is_empty() && unit != Unit::One {
        return Err(QuantityError::NoUnit { number: number.into(), expected: unit });
    }
    let exponent = prefix_exponent(suffix, unit)
        .ok_or_else(|| QuantityError::WrongUnit { found: suffix.into(), expected: unit })?;
    let value = shifted(number, exponent);
    if value.is_finite() {
        Ok(value)
    } else {
        Err(QuantityError::NotFinite { text: trimmed.into() })
    }
}

/// Writes a value (in the SI unit) so that [`parse`] gives back the same bits: `4e-12` as `4 pA`.
#[must_use]
pub fn format(value: f64, unit: Unit) -> String {
    if unit == Unit::One {
        return format!("{value:?}");
    }
    let symbol = unit.symbol();
    if value == 0.0 || unit == Unit::PerAmpere || value.abs() >= 1.0 || !value.is_finite() {
        // `Display` of a double is its shortest exact decimal form, never with an exponent.
        return if value.abs() >= 1e7 {
            format!("{value:e} {symbol}")
        } else {
            format!("{value} {symbol}")
        };
    }
    // Shortest digits d.ddde−x: take the prefix below and move the point by the rest.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let Some((prefix, power)) = prefix_below(exponent) else {
        return format!("{scientific} {symbol}");
    };
    format!("{} {prefix}{symbol}", move_point(mantissa, exponent - power))
}

/// Writes a value with four digits, for messages.
#[must_use]
pub fn rounded(value: f64, unit: Unit) -> String {
    format(format!("{value:.3e}").parse().unwrap_or(value), unit)
}

/// The unit in which a value has one to three digits before the point, and how many of it are one SI
/// unit: of 4e-12 A, `pA` and 1e12.
#[must_use]
pub fn scale(value: f64, unit: Unit) -> (String, f64) {
    let symbol = unit.symbol();
    // As it is shown, with few digits: 999.97 pA are 1 nA.
    let shown = format!("{:.3e}", value.abs());
    let exponent = shown.split_once('e').and_then(|(_, exponent)| exponent.parse().ok());
    let exponent = exponent.filter(|_| !matches!(unit, Unit::One | Unit::PerAmpere));
    match exponent.and_then(prefix_below) {
        Some((prefix, power)) => (prefix.replace('u', "\u{b5}") + symbol, shifted("1", -power)),
        None => (symbol.to_string(), 1.0),
    }
}

/// The prefix, and its power of ten, with which a value of that power of ten is written; none above one.
fn prefix_below(exponent: i32) -> Option<(&'static str, i32)> {
    let is_below =
        |(prefix, power): &(&str, i32)| prefix.is_ascii() && *power <= exponent && *power <= 0;
    PREFIXES.into_iter().filter(is_below).max_by_key(|(_, power)| *power)
}

/// Moves the decimal point of `d.ddd` to the right.
fn move_point(mantissa: &str, places: i32) -> String {
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let places = usize::try_from(places).unwrap_or(0);
    let mut digits = String::from(whole);
    digits.push_str(fraction);
    while digits.len() < whole.len() + places {
        digits.push('0');
    }
    let (whole, fraction) = digits.split_at(whole.len() + places);
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Length of the decimal number that `text` starts with (0: none).
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        let from = at;
        while bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        (at, at - from)
    };
    let mut at = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let (after, whole) = digits(at);
    at = after;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        (at, fraction) = digits(at + 1);
    }
    if whole + fraction == 0 {
        return 0;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let (after, power) = digits(at + 1 + sign);
        if power > 0 {
            at = after;
        }
    }
    at
}

/// Decimal exponent of the prefix in `suffix`, or `None` when the unit is another.
fn prefix_exponent(suffix: &str, unit: Unit) -> Option<i32> {
    let (body, sign, symbol) = match unit {
        Unit::One => return suffix.is_empty().then_some(0),
        Unit::PerAmpere => {
            let body = suffix.strip_prefix("1/").or_else(|| suffix.strip_prefix('/'))?;
            (body.trim(), -1, "A")
        }
        _ => (suffix, 1, unit.symbol()),
    };
    let prefix = body.strip_suffix(symbol)?;
    PREFIXES.iter().find(|(p, _)| *p == prefix).map(|(_, power)| sign * power)
}

/// The double nearest to `number`·10^`exponent`.
fn shifted(number: &str, exponent: i32) -> f64 {
    let (mantissa, own) = match number.find(['e', 'E']) {
        Some(at) => (&number[..at], number[at + 1..].parse::<i64>().unwrap_or(i64::from(i32::MAX))),
        None => (number, 0),
    };
    format!("{mantissa}e{}", own + i64::from(exponent)).parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities_are_the_nearest_doubles() {
        assert_eq!(parse("4 pA", Unit::Ampere), Ok(4e-12));
        assert_eq!(parse("0.05pA", Unit::Ampere), Ok(0.05e-12));
        assert_eq!(parse("12 mA", Unit::Ampere), Ok(12e-3));
        assert_eq!(parse(" 1e3 us ", Unit::Second), Ok(1e-3));
        assert_eq!(parse("1 \u{b5}s", Unit::Second), Ok(1e-6));
        assert_eq!(parse("2.5 kHz", Unit::Hertz), Ok(2500.0));
        assert_eq!(parse("1.4e9 /A", Unit::PerAmpere), Ok(1.4e9));
        assert_eq!(parse("1.4 1/nA", Unit::PerAmpere), Ok(1.4e9));
        assert_eq!(parse("0.7", Unit::One), Ok(0.7));
    }

    #[test]
    fn a_unit_suits_its_value() {
        for (value, unit, symbol, factor) in [
            (4e-12, Unit::Ampere, "pA", 1e12),
            (-25e-3, Unit::Volt, "mV", 1e3),
            (3e-6, Unit::Second, "\u{b5}s", 1e6),
            // With four digits it is 1 nA.
            (0.99997e-9, Unit::Ampere, "nA", 1e9),
            (0.9999e-9, Unit::Ampere, "pA", 1e12),
            (1.0, Unit::Second, "s", 1.0),
            (5e3, Unit::Hertz, "Hz", 1.0),
            (0.0, Unit::Volt, "V", 1.0),
            (f64::NAN, Unit::Volt, "V", 1.0),
            (1.4e-3, Unit::One, "", 1.0),
            (1.4e9, Unit::PerAmpere, "/A", 1.0),
        ] {
            assert_eq!(scale(value, unit), (symbol.to_string(), factor), "{value} {unit:?}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_message() {
        let message = |text, unit| {
            let error = parse(text, unit).unwrap_err();
            format!("{error}; {}", error.help())
        };
        insta::assert_snapshot!(
            [
                message("4", Unit::Ampere),
                message("4 mV", Unit::Ampere),
                message("4 xA", Unit::Ampere),
                message("four pA", Unit::Ampere),
                message("NaN pA", Unit::Ampere),
                message("-inf", Unit::Second),
                message("1e999 s", Unit::Second),
                message("", Unit::Hertz),
            ]
            .join("\n"),
            @r#"
        `4` has no unit, but a current is expected; write it with its unit, for example "4 pA"
        `mV` is not a unit of a current; write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
        `xA` is not a unit of a current; write a current in A, with a prefix if you like (a f p n u m k M G), for example "4 pA"
        `four pA` is not a current: a number and a unit are expected; write it like "4 pA"
        `NaN pA` is not a finite number; write a finite number
        `-inf` is not a finite number; write a finite number
        `1e999 s` is not a finite number; write a finite number
        `` is not a rate: a number and a unit are expected; write it like "100 Hz"
        "#
        );
    }

    #[test]
    fn values_are_written_with_a_prefix() {
        assert_eq!(format(4e-12, Unit::Ampere), "4 pA");
        assert_eq!(format(0.05e-12, Unit::Ampere), "50 fA");
        assert_eq!(format(1e-4, Unit::Second), "100 us");
        assert_eq!(format(1.4e9, Unit::PerAmpere), "1.4e9 /A");
        assert_eq!(format(0.0, Unit::Second), "0 s");
        assert_eq!(format(199.0, Unit::Hertz), "199 Hz");
        assert_eq!(format(0.705, Unit::One), "0.705");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_exactly(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            for unit in [Unit::Ampere, Unit::Second, Unit::Hertz, Unit::PerAmpere, Unit::One] {
                let text = format(value, unit);
                prop_assert_eq!(parse(&text, unit).map(f64::to_bits), Ok(value.to_bits()), "{}", text);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = parse(&text, Unit::Ampere);
        }
    }
}

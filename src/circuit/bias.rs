//! Biases: what a circuit's currents, capacitances and times are called and may be.
//!
//! Each block of a circuit (a component of its entity) lists its biases in one table. Reading a
//! scene, drawing mismatch, reading and dumping files of measured values, and writing the decided
//! scene all walk that table, so a block of a plugin behaves like a built-in one.

use std::fmt;

use bevy_ecs::component::{Component, Mutable};

use crate::units::{self, Unit};

/// One bias of a block of type `T`.
pub struct Bias<T> {
    /// Its name in scenes, the literature's symbol: `Itau`.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The values it may take.
    pub domain: Domain,
    /// What it is, for documentation.
    pub doc: &'static str,
    /// Reads it, in the SI unit.
    pub get: fn(&T) -> f64,
    /// Writes it, in the SI unit.
    pub set: fn(&mut T, f64),
}

/// The values a bias may take. All must be finite and within single precision, in which the
/// kernels compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Any number.
    Any,
    /// Greater than zero.
    Positive,
    /// Zero or greater.
    NonNegative,
}

impl Domain {
    /// Checks a value; the message says what is allowed.
    ///
    /// # Errors
    /// A text without a subject: `must be greater than 0, but is -4 pA`.
    pub fn check(self, value: f64, unit: Unit) -> Result<(), String> {
        let shown = || units::format(value, unit);
        let (holds, rule) = match self {
            Domain::Any => (value.is_finite(), "a finite number"),
            Domain::Positive => (value > 0.0, "greater than 0"),
            Domain::NonNegative => (value >= 0.0, "0 or greater"),
        };
        if !holds {
            return Err(format!("must be {rule}, but is {}", shown()));
        }
        let (smallest, largest) = (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX));
        if value != 0.0 && !(smallest..=largest).contains(&value.abs()) {
            return Err(format!(
                "must be between {} and {} (single precision), but is {}",
                units::format(smallest, unit),
                units::format(largest, unit),
                shown()
            ));
        }
        Ok(())
    }
}

/// A block of biases: a component with a table of its fields.
///
/// ```
/// use bevy_ecs::prelude::*;
/// use picoamp::circuit::{Bias, Block, bias};
///
/// /// The biases of a model of one's own.
/// #[derive(Component, Debug, Clone, PartialEq)]
/// struct Integrator {
///     tau: f64,
/// }
///
/// impl Block for Integrator {
///     const BIASES: &'static [Bias<Integrator>] =
///         &[bias!(Integrator, tau, "tau", Second, Positive, "time constant")];
/// }
/// assert_eq!(Integrator::BIASES[0].unit, picoamp::units::Unit::Second);
/// ```
pub trait Block: Component<Mutability = Mutable> + Clone + fmt::Debug + PartialEq {
    /// The table, in the order in which files and documents show it.
    const BIASES: &'static [Bias<Self>];
}

/// A row of a bias table: block, field (an `f64`), name in scenes, [`Unit`], [`Domain`], and what it
/// is.
#[macro_export]
#[doc(hidden)]
macro_rules! __bias {
    ($block:ty, $field:ident, $name:literal, $unit:ident, $domain:ident, $doc:literal) => {
        $crate::circuit::Bias::<$block> {
            name: $name,
            unit: $crate::units::Unit::$unit,
            domain: $crate::circuit::Domain::$domain,
            doc: $doc,
            get: |block| block.$field,
            set: |block, value| block.$field = value,
        }
    };
}
#[doc(inline)]
pub use crate::__bias as bias;

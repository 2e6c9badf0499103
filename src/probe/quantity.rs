//! What probes measure, as pictures of a sweep show it against what is swept.

use crate::units::Unit;

/// A column of one of the tables of a probe: a value of each neuron, of each bin or at each moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Which of the [further tables](super::ProbeKind::further_tables); `None`: the main one.
    pub table: Option<&'static str>,
    /// The column.
    pub column: String,
    /// What it is called: `output rate`.
    pub name: String,
    /// Its unit; the table has the SI unit itself.
    pub unit: Unit,
    /// What each value belongs to, where that is a number of its own: the input rates of an FF curve.
    pub against: Option<Against>,
}

/// A column beside that of a [`Quantity`].
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// The column.
    pub column: &'static str,
    /// What it is called.
    pub name: String,
    /// Its unit.
    pub unit: Unit,
}

impl Quantity {
    /// A column of the main table.
    #[must_use]
    pub fn new(column: &str, name: &str, unit: Unit) -> Quantity {
        Quantity { table: None, column: column.into(), name: name.into(), unit, against: None }
    }

    /// The same of a further table.
    #[must_use]
    pub fn of(self, table: &'static str) -> Quantity {
        Quantity { table: Some(table), ..self }
    }

    /// The same against another column.
    #[must_use]
    pub fn against(self, column: &'static str, name: &str, unit: Unit) -> Quantity {
        Quantity { against: Some(Against { column, name: name.into(), unit }), ..self }
    }
}

//! Event-driven neurons on a device: what their kernel is made of, and a neuron as words of eight bytes.
//!
//! A bank whose neurons are kept on a device puts changes of biases and state off until the device has handed
//! over the neurons concerned ([`EventNeurons::exchange`](super::EventNeurons::exchange)).

use crate::time::Time;

/// The equations of event-driven neurons as CUDA source, operation by operation those in Rust.
#[derive(Debug, Clone, PartialEq)]
pub struct EventCode {
    /// A name for it, in messages.
    pub name: String,
    /// Source that defines `struct Neuron` and
    /// `__device__ void carry(const Advance&, Job&, Neuron&)`, which carries a neuron to the end of a window.
    /// `event_math.cuh` and `event_head.cuh` in `src/backend/cuda/kernels` stand before it, `event.cu` behind.
    pub source: &'static str,
    /// Macros that are defined before it: what a specialisation differs in, and constants.
    pub macros: Vec<(&'static str, String)>,
    /// The fields of `Neuron` that follow from biases, one word each, in the order of packed neurons ...
    pub parameters: Vec<String>,
    /// ... and then those of its state.
    pub state: Vec<String>,
    /// Which circuit of the source each circuit of the layout is.
    pub circuits: Vec<u8>,
    /// Whether a membrane is held while refractory.
    pub holds: bool,
    /// What the fields `b` and `tolerance` of `Advance` are.
    pub b: f64,
    /// See `b`.
    pub tolerance: f64,
}

impl EventCode {
    /// Words of a neuron.
    #[must_use]
    pub fn words(&self) -> usize {
        self.parameters.len() + self.state.len()
    }
}

/// A number of a neuron as a word.
pub trait Word: Copy {
    /// As a word.
    fn pack(self) -> u64;
    /// From a word.
    fn unpack(word: u64) -> Self;
}

impl Word for f64 {
    fn pack(self) -> u64 {
        self.to_bits()
    }
    fn unpack(word: u64) -> f64 {
        f64::from_bits(word)
    }
}

impl Word for bool {
    fn pack(self) -> u64 {
        self.into()
    }
    fn unpack(word: u64) -> bool {
        word != 0
    }
}

impl Word for Time {
    fn pack(self) -> u64 {
        self.picoseconds()
    }
    fn unpack(word: u64) -> Time {
        Time::from_picoseconds(word)
    }
}

/// No time is the last one.
impl Word for Option<Time> {
    fn pack(self) -> u64 {
        self.unwrap_or(Time::MAX).pack()
    }
    fn unpack(word: u64) -> Option<Time> {
        Some(Time::unpack(word)).filter(|time| *time != Time::MAX)
    }
}

/// One or several numbers that follow one another.
pub trait Words {
    /// Writes them to the front of `words`, which is moved behind them.
    fn pack_into(self, words: &mut std::slice::IterMut<u64>);
    /// Reads them.
    fn unpack_from(&mut self, words: &mut std::slice::Iter<u64>);
    /// Their names, where the field has this one.
    fn names(name: &str) -> Vec<String>;
}

impl<T: Word> Words for T {
    fn pack_into(self, words: &mut std::slice::IterMut<u64>) {
        words.by_ref().take(1).for_each(|word| *word = self.pack());
    }
    fn unpack_from(&mut self, words: &mut std::slice::Iter<u64>) {
        words.by_ref().take(1).for_each(|word| *self = T::unpack(*word));
    }
    fn names(name: &str) -> Vec<String> {
        vec![name.to_string()]
    }
}

impl<T: Word, const N: usize> Words for [T; N] {
    fn pack_into(self, words: &mut std::slice::IterMut<u64>) {
        self.into_iter().for_each(|x| x.pack_into(words));
    }
    fn unpack_from(&mut self, words: &mut std::slice::Iter<u64>) {
        self.iter_mut().for_each(|x| x.unpack_from(words));
    }
    fn names(name: &str) -> Vec<String> {
        (0..N).map(|k| format!("{name}[{k}]")).collect()
    }
}

/// The fields of a type of neurons: what follows from biases, and the state.
macro_rules! words {
    (
        $neuron:ident $(<const $size:ident>)?
        { $($parameter:ident: $parameter_type:ty),* $(,)? } { $($state:ident: $type:ty),* $(,)? }
    ) => {
        impl $(<const $size: usize>)? $neuron $(<$size>)? {
            /// The names of both kinds of fields, word by word.
            fn words() -> [Vec<String>; 2] {
                use $crate::solver::event::device::Words;
                [
                    [$(<$parameter_type as Words>::names(stringify!($parameter))),*].concat(),
                    [$(<$type as Words>::names(stringify!($state))),*].concat(),
                ]
            }

            /// Writes all words.
            fn pack(&self, words: &mut [u64]) {
                use $crate::solver::event::device::Words;
                let mut words = words.iter_mut();
                $(self.$parameter.pack_into(&mut words);)*
                $(self.$state.pack_into(&mut words);)*
            }

            /// Reads the words of the state.
            fn unpack(&mut self, words: &[u64]) {
                use $crate::solver::event::device::Words;
                let mut words = words.iter();
                $(self.$state.unpack_from(&mut words);)*
            }
        }
    };
}
pub(super) use words;

/// A number in double precision as the source writes it, exact.
pub(super) fn double(x: f64) -> String {
    format!("({x:e})")
}

/// Numbers as the initialiser of an array.
pub(super) fn doubles(numbers: &[f64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(|x| double(*x)).collect();
    format!("{{{}}}", numbers.join(", "))
}

/// The constants of real.rs and math.rs.
pub(crate) fn math_macros(is_single: bool) -> Vec<(&'static str, String)> {
    use super::real::EXP2_M1_DOUBLE;
    use crate::circuit::math::{LN_TERMS, LN2_HIGH, LN2_LOW};
    vec![
        ("SINGLE", i32::from(is_single).to_string()),
        ("EXP2_M1_DOUBLE", doubles(&EXP2_M1_DOUBLE)),
        ("LOG2_DOUBLE", doubles(&LN_TERMS)),
        ("LN2_HIGH", double(LN2_HIGH)),
        ("LN2_LOW", double(LN2_LOW)),
    ]
}

//! The DPI neuron: the presets `arcana` and `dynapse1`, with the forms of their parts.

use super::{Circuits, Conflict, Equations, NeuronModel, Read, StateVariable};
use crate::circuit::forms::{FeedbackForm, PulseForm, RefractoryForm};
use crate::circuit::{Bias, Block, Constants, Domain, Forms, Preset, Receptor, Soma, Synapse};
use crate::scene::Variable;
use crate::scene::decode::{At, Fields};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::write;
use crate::solver::euler;
use crate::solver::event::{self, EventNeurons};
use crate::time::Time;
use crate::units::{self, Unit};

/// A preset with the forms and process constants of a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dpi {
    /// The published model it starts from.
    pub preset: Preset,
    /// Its forms.
    pub forms: Forms,
    /// Process constants.
    pub constants: Constants,
}

impl Dpi {
    /// A preset as published.
    #[must_use]
    pub fn new(preset: Preset) -> Dpi {
        Dpi { preset, forms: preset.forms(), constants: preset.constants() }
    }
}

impl NeuronModel for Dpi {
    type Soma = Soma;
    type Synapse = Synapse;

    fn name(&self) -> &'static str {
        self.preset.name()
    }

    fn receptors(&self) -> &'static [Receptor] {
        self.preset.receptors()
    }

    fn circuits(&self) -> &'static [Receptor] {
        self.preset.circuits()
    }

    fn soma(&self) -> Soma {
        self.preset.soma(&self.constants)
    }

    fn synapse(&self, circuit: Receptor) -> Synapse {
        self.preset.synapse(circuit)
    }

    fn soma_biases(&self) -> Vec<&'static Bias<Soma>> {
        Soma::BIASES.iter().filter(|bias| Soma::has(bias, &self.forms)).collect()
    }

    fn why_no_default(&self, bias: &str) -> &'static str {
        if bias == "Ipfb_norm" && self.forms.feedback == FeedbackForm::PowerLaw {
            "it has no default, because the released code's 1e-12 is a unit slip (it multiplies a \
             current)"
        } else {
            "it has no default in this preset"
        }
    }

    fn read_settings(&mut self, fields: &mut Fields, dx: &mut Diagnostics) {
        let mut constant = |key, unit, value: &mut f64| {
            if let Some(at) = fields.get(key)
                && let Some(given) = at.quantity(dx, unit, Domain::Positive)
            {
                *value = given;
            }
        };
        constant("I0", Unit::Ampere, &mut self.constants.i0);
        constant("UT", Unit::Volt, &mut self.constants.ut);
        constant("kappa", Unit::One, &mut self.constants.kappa);
        if let Some(at) = fields.get("feedback")
            && let Some(form) = form(&at, "a feedback", &FeedbackForm::NAMES, dx)
        {
            self.forms.feedback = form;
        }
        if let Some(at) = fields.get("refractory")
            && let Some(form) = form(&at, "a refractory form", &RefractoryForm::NAMES, dx)
        {
            self.forms.refractory = form;
        }
        if let Some(at) = fields.get("pulse")
            && let Some(variant) = at.variant(dx, "a pulse", &["Ideal", "Width"])
        {
            if variant.name == "Ideal" {
                variant.unit(dx);
                self.forms.pulse = PulseForm::Ideal;
            } else if let Some(width) = variant.single(dx, "\"10 us\"")
                && let Some(width) = width.time(dx, Domain::Positive)
            {
                self.forms.pulse = PulseForm::Width(width);
            }
        }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let (constants, forms) = (&self.constants, &self.forms);
        let pulse = match forms.pulse {
            PulseForm::Ideal => "Ideal".to_string(),
            PulseForm::Width(width) => format!("Width({})", write::time(width)),
        };
        vec![
            ("I0", write::quantity(constants.i0, Unit::Ampere)),
            ("UT", write::quantity(constants.ut, Unit::Volt)),
            ("kappa", write::quantity(constants.kappa, Unit::One)),
            ("feedback", name_of(&FeedbackForm::NAMES, forms.feedback)),
            ("refractory", name_of(&RefractoryForm::NAMES, forms.refractory)),
            ("pulse", pulse),
        ]
    }

    fn check(&self, soma: &Soma) -> Option<Conflict> {
        let shown = |current| units::format(current, Unit::Ampere);
        // No current is below I0, and the kernels compute in single precision.
        let (th, reset) = (soma.i_th, soma.i_reset.max(self.constants.i0));
        (th as f32 <= reset as f32).then(|| Conflict {
            bias: "Ith",
            message: format!("Ith = {} is not above Ireset = {}", shown(th), shown(reset)),
            help: format!("choose more than {}", shown(reset)),
        })
    }

    fn check_nominal(&self, soma: &Soma) -> Option<Conflict> {
        let shown = |current| units::format(current, Unit::Ampere);
        let (i0, reset) = (self.constants.i0, soma.i_reset);
        (reset < i0).then(|| Conflict {
            bias: "Ireset",
            message: format!(
                "Ireset = {} is below the dark current I0 = {}",
                shown(reset),
                shown(i0)
            ),
            help: format!("choose at least {}", shown(i0)),
        })
    }

    fn variables(&self) -> Vec<StateVariable> {
        let c = &self.constants;
        // The kernel's dark current is the nearest single: at rest the voltage is 0 exactly.
        let voltage =
            Read::MembraneVoltage { scale: c.ut / c.kappa, reference: f64::from(c.i0 as f32) };
        let variable = |variable, unit, read| StateVariable { variable, unit, read };
        let mut variables = vec![
            variable(Variable::Vmem, Unit::Volt, voltage),
            variable(Variable::Imem, Unit::Ampere, Read::Membrane),
        ];
        variables.extend(self.circuits().iter().map(|receptor| {
            variable(Variable::Synapse(*receptor), Unit::Ampere, Read::Circuit(*receptor))
        }));
        variables
    }

    fn initial(&self, circuit: Option<Receptor>) -> f64 {
        match circuit {
            None => self.preset.initial_membrane(&self.constants),
            Some(circuit) => self.resting_current(circuit, false),
        }
    }

    /// No current of a circuit is below I0.
    fn least(&self, _: Option<Receptor>) -> f64 {
        self.constants.i0
    }

    /// I0, but 0 where the circuit was taken out and for AHP, which is 0 until the first spike.
    fn resting_current(&self, circuit: Receptor, off: bool) -> f64 {
        if circuit == Receptor::Ahp || off { 0.0 } else { self.constants.i0 }
    }

    /// A current is floored at the dark current.
    fn mismatch_floor(&self, unit: Unit) -> Option<f64> {
        (unit == Unit::Ampere).then_some(self.constants.i0)
    }

    fn time_constants(
        &self,
        soma: &Soma,
        synapses: &[(Receptor, Synapse)],
    ) -> Vec<(&'static str, f64)> {
        let synapses = synapses.iter().map(|(r, s)| (r.name(), s.tau(&self.constants)));
        synapses.chain([("soma", soma.tau(&self.constants))]).collect()
    }

    fn threshold(&self, soma: &Soma) -> Option<(Variable, f64)> {
        Some((Variable::Vmem, self.constants.voltage(soma.i_th)))
    }

    /// Without feedback and AHP, and where no NMDA is gated by the membrane, the membrane current is
    /// linear in the log domain between two spikes (Chicca et al. 2014, with constant input and leak).
    fn steady_rate(&self, soma: &Soma, circuits: &Circuits) -> Option<f64> {
        let at_rest = |circuit: Receptor| {
            let exists = self.circuits().contains(&circuit) && !circuits.is_off(circuit);
            if exists { self.constants.i0 } else { 0.0 }
        };
        let gated = self.forms.nmda_gate && !circuits.is_off(Receptor::Nmda);
        let adapts = self.circuits().contains(&Receptor::Ahp) && !circuits.is_off(Receptor::Ahp);
        if self.forms.feedback != FeedbackForm::Off || gated || adapts {
            return None;
        }
        // Of `arcana`, Inmda and Iahp are the constant I0.
        let fixed = match self.preset {
            Preset::Arcana => self.constants.i0,
            Preset::Dynapse1 => 0.0,
        };
        let input = soma.i_dc + at_rest(Receptor::Ampa) + fixed - at_rest(Receptor::Gabab);
        let leak = soma.i_tau + at_rest(Receptor::Gabaa) + fixed;
        Some(soma.bare_rate(input.max(self.constants.i0), leak, &self.constants))
    }

    fn dc_unit(&self) -> Option<Unit> {
        Some(Unit::Ampere)
    }

    fn rounds_weights(&self) -> bool {
        self.preset.rounds_weights()
    }

    /// Both presets: `arcana` leaves out circuits of the same neuron.
    fn is_on_dynapse1(&self) -> bool {
        true
    }

    fn event_equations(
        &self,
        circuits: &Circuits,
        tolerance: Time,
        is_driven: bool,
    ) -> Option<Box<dyn EventNeurons>> {
        Some(event::dpi::neurons(self, circuits, tolerance, is_driven))
    }

    fn equations(&self, circuits: &Circuits, dt: Time) -> Equations {
        Equations::Kernel(euler::dpi_kernel(self, circuits, dt))
    }
}

/// One of the forms of a table.
fn form<F: Copy>(
    at: &At,
    what: &str,
    forms: &[(&'static str, F)],
    dx: &mut Diagnostics,
) -> Option<F> {
    let names: Vec<&str> = forms.iter().map(|(name, _)| *name).collect();
    let variant = at.variant(dx, what, &names)?;
    variant.unit(dx);
    forms.iter().find(|(name, _)| *name == variant.name).map(|(_, form)| *form)
}

/// The name of a form in a table of all of them.
fn name_of<F: PartialEq>(names: &[(&'static str, F)], form: F) -> String {
    names.iter().find(|(_, known)| *known == form).map_or("", |(name, _)| name).to_string()
}

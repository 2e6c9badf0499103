//! The main loop: one run of the schedule is one window of simulated time.
//!
//! | set | what happens | why there |
//! |---|---|---|
//! | [`First`](WindowSet::First) | your systems | see the state at the start of the window |
//! | [`Stimulate`](WindowSet::Stimulate) | sources emit the spikes of this window | their arrivals may lie in it |
//! | [`Gather`](WindowSet::Gather) | components that changed → banks | after every system that may have written them |
//! | [`Deliver`](WindowSet::Deliver) | calendar and spikes of sources → inboxes | after Stimulate; all arrivals of the first round are known now |
//! | [`Advance`](WindowSet::Advance) | the back end integrates every neuron, round by round | the only place where time passes |
//! | [`Scatter`](WindowSet::Scatter) | banks → components that somebody reads | before your systems look |
//! | [`Route`](WindowSet::Route) | output spikes → the calendar | arrive in a later round at the earliest |
//! | [`Measure`](WindowSet::Measure) | probes | see the spikes and samples of this window |
//! | [`Last`](WindowSet::Last) | your systems | see the state at the end of the window; what they write acts in the next |
//!
//! **Why a window has the length it has.** It is one *round* or several. Inside a round neurons do not see
//! each other, so each runs on its own from its start to its end, in cache and in parallel. That is
//! right as long as no spike fired in a round can arrive in it: a round is no longer than the
//! shortest delay between populations (with Euler one step longer, because a spike found in its first
//! step has the time of that step's end). Without such projections it is as long as the scene's
//! `window`. It follows from the scene alone, never from threads or tuning.
//!
//! Each round is a window where a system looks that is not [built in](BuiltIn). Where none does, and kernels
//! of the processor run all neurons, a window has as many rounds as the scene's `window` has, as long as they
//! take no more than some milliseconds: `Advance` delivers and routes between them, and the systems of the
//! others are called once for all. (A GPU is handed such a network as a whole.) Results are the same.
//!
//! The sets are chained and run on one thread: threads live inside the back end, where the work is.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{ScheduleLabel, SingleThreadedExecutor};

use crate::time::Time;

/// The schedule of a window.
#[derive(ScheduleLabel, Debug, Clone, PartialEq, Eq, Hash)]
pub struct RunWindow;

/// The stages of a window, in order.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowSet {
    /// For users: before anything happens.
    First,
    /// Sources emit spikes.
    Stimulate,
    /// Components → banks.
    Gather,
    /// Arrivals → inboxes.
    Deliver,
    /// Neurons are integrated.
    Advance,
    /// Banks → components.
    Scatter,
    /// Output spikes → calendar.
    Route,
    /// Probes.
    Measure,
    /// For users: after everything has happened.
    Last,
}

/// Systems of the program itself: what they read does not have to be scattered.
#[derive(SystemSet, Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BuiltIn;

/// The window at hand.
#[derive(Resource, Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its first step.
    pub first_step: u64,
    /// Its steps.
    pub steps: u64,
    /// The step; with the event-driven solver a picosecond.
    pub dt: Time,
}

impl Window {
    /// Time of its start.
    #[must_use]
    pub fn start(&self) -> Time {
        Time::from_steps(self.first_step, self.dt)
    }

    /// [`Time::steps`] of a time, for one in the window's first step without a division.
    #[inline]
    pub(crate) fn step_of(&self, time: Time) -> u64 {
        let (start, half) = (self.start(), self.dt.half());
        if start <= time && time < start + self.dt + half {
            self.first_step + u64::from(time >= start + half)
        } else {
            time.steps(self.dt)
        }
    }

    /// The same window in steps of `step`, of which it is a whole number.
    #[must_use]
    pub fn in_steps_of(&self, step: Time) -> Window {
        let (start, end) = (self.start().whole(step), self.end().whole(step));
        Window { first_step: start, steps: end - start, dt: step }
    }

    /// Time of its end, which belongs to the next window.
    #[must_use]
    pub fn end(&self) -> Time {
        Time::from_steps(self.first_step + self.steps, self.dt)
    }
}

/// The empty schedule: sets in order, nothing in them.
#[must_use]
pub fn window_schedule() -> Schedule {
    use WindowSet::{Advance, Deliver, First, Gather, Last, Measure, Route, Scatter, Stimulate};
    let mut schedule = Schedule::new(RunWindow);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.configure_sets(
        (First, Stimulate, Gather, Deliver, Advance, Scatter, Route, Measure, Last).chain(),
    );
    schedule
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn steps_within_a_window_are_those_of_the_time(
            first_step in 0_u64..50, dt in 1_u64..7, time in 0_u64..500,
        ) {
            let (dt, time) = (Time::from_picoseconds(dt), Time::from_picoseconds(time));
            let window = Window { first_step, steps: 1, dt };
            prop_assert_eq!(window.step_of(time), time.steps(dt));
        }
    }
}

//! The calendar: what is due in the rounds to come, in each share of the inbox.

use std::collections::VecDeque;
use std::sync::OnceLock;

use smallvec::SmallVec;

use super::table::EdgeRun;
use crate::schedule::Window;

/// Edges of a group by which a spike arrives at a step, those that end in one share of the inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(super) run: EdgeRun,
    pub(super) step: u64,
}

/// Pulses of a list.
pub(super) fn pulses(list: &[Due]) -> u64 {
    list.iter().map(|due| u64::from(due.run.len)).sum()
}

/// What is due, for each share of the inbox.
pub(crate) type Page = SmallVec<[Vec<Due>; 2]>;

/// What the neurons of a share have fired for a round, once it is complete: when the share is done with the round before.
pub(crate) type Published = OnceLock<Page>;

/// What the neurons of a share fire while a network goes through rounds by itself: what will arrive in each of them, and
/// after the last. (In lines of the cache of its own, as the next one is another thread's.)
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Fired {
    pub(super) pages: Vec<Page>,
    pub(super) later: Page,
}

impl Fired {
    /// The page of a round, which is complete.
    pub(crate) fn take(&mut self, round: usize) -> Page {
        std::mem::take(&mut self.pages[round])
    }
}

/// What is due in a share of the inbox, round by round. (In lines of the cache of its own, as the next one is another
/// thread's.)
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Calendar {
    round_steps: u64,
    /// A list for each round, from the one that began last.
    pages: VecDeque<Vec<Due>>,
    first_round: u64,
    spare: Vec<Vec<Due>>,
    /// Room for what is due in the round at hand.
    pub(super) now: Vec<Due>,
}

impl Calendar {
    pub(super) fn new(round_steps: u64) -> Calendar {
        let (pages, spare) = (VecDeque::new(), Vec::new());
        Calendar { round_steps, pages, first_round: 0, spare, now: Vec::new() }
    }

    /// The pages of what is due in a window. (One that `run_for` cut short may end within a page.)
    pub(super) fn until_end_of(&self, window: &Window) -> impl Iterator<Item = &Vec<Due>> + Clone {
        let last = (window.first_step + window.steps - 1) / self.round_steps;
        self.pages.iter().take((last + 1 - self.first_round) as usize)
    }

    /// The page of a whole round.
    pub(super) fn page(&self, round: &Window) -> Option<&Vec<Due>> {
        self.pages.get((round.first_step / self.round_steps - self.first_round) as usize)
    }

    /// Puts down what is due in the round that began last, or later.
    #[inline]
    pub(super) fn put_down(&mut self, due: Due) {
        let ahead = due.step.saturating_sub(self.first_round * self.round_steps);
        // (Mostly it is one of the first, or a round is a step, and a division takes longer than all else here.)
        let page = match ahead {
            _ if self.round_steps == 1 => ahead as usize,
            _ if ahead < self.round_steps => 0,
            _ if ahead - self.round_steps < self.round_steps => 1,
            _ => (ahead / self.round_steps) as usize,
        };
        while self.pages.len() <= page {
            self.pages.push_back(self.spare.pop().unwrap_or_default());
        }
        self.pages[page].push(due);
    }

    /// Forgets what was due before a step.
    pub(super) fn end(&mut self, step: u64) {
        while self.first_round < step / self.round_steps {
            if let Some(mut page) = self.pages.pop_front() {
                page.clear();
                // A later page takes over its memory.
                self.spare.push(page);
            }
            self.first_round += 1;
        }
        if !step.is_multiple_of(self.round_steps)
            && let Some(page) = self.pages.front_mut()
        {
            page.retain(|due| due.step >= step);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Time;

    proptest! {
        /// Windows of any lengths find what is due in them, each once, whenever it was put down.
        #[test]
        fn each_window_finds_what_is_due_in_it(
            round_steps in 1_u64..5,
            windows in prop::collection::vec((1_u64..9, prop::collection::vec(0_u64..30, 0..6)), 1..20),
        ) {
            let mut calendar = Calendar::new(round_steps);
            let (mut first_step, mut number) = (0, 0);
            let mut expected: Vec<(u64, u32)> = Vec::new();
            for (steps, delays) in windows {
                let window = Window { first_step, steps, dt: Time::TICK };
                let end = first_step + steps;
                let found = calendar.until_end_of(&window).flatten().filter(|due| due.step < end);
                let mut found: Vec<(u64, u32)> =
                    found.map(|due| (due.step, due.run.first)).collect();
                found.sort_unstable();
                expected.sort_unstable();
                let later = expected.split_off(expected.partition_point(|(step, _)| *step < end));
                prop_assert_eq!(found, std::mem::replace(&mut expected, later));
                calendar.end(end);
                for delay in delays {
                    let (step, run) = (end + delay, EdgeRun { first: number, len: 1 });
                    calendar.put_down(Due { run, step });
                    expected.push((step, number));
                    number += 1;
                }
                first_step = end;
            }
        }
    }
}

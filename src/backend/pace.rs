//! Whether short rounds take less time on all threads or on one.

/// The way that short rounds take. Which one is quicker depends on what else a machine does, and on how far its cores
/// are from each other: on a shared one, two threads took 0.8 times as long as one in some minutes
/// and 1.5 times in others. So the other way is tried now and then, the less often the longer it was no better.
pub(super) struct Pace {
    /// One thread is the usual way.
    is_alone: bool,
    /// Rounds since the last trial ended, and so many before the next.
    rounds: u32,
    before_trial: u32,
    /// The least time of rounds for their work: before the trial, and on trial.
    usual: f64,
    trial: f64,
}

/// Which way the next rounds take.
#[derive(Clone, Copy)]
pub(super) struct Turn {
    pub(super) is_alone: bool,
    /// How many.
    pub(super) rounds: usize,
    /// Their time counts.
    pub(super) counts: bool,
}

/// Rounds from one trial to the next: at least, and at most.
const BEFORE_TRIAL: [u32; 2] = [1000, 32_000];
/// Rounds of a trial, of which the last count: at first neurons are in the caches of other cores. As many before it
/// count.
const TRIAL: u32 = 32;
/// See [`TRIAL`].
const COUNTED: u32 = 12;
/// So many at once, so that it does not matter if something comes between in one of them.
const COUNTED_AT_ONCE: usize = 4;
/// The other way becomes the usual one if it takes less than that part of the time.
const BETTER: f64 = 0.95;

impl Default for Pace {
    fn default() -> Pace {
        let (usual, trial) = (f64::INFINITY, f64::INFINITY);
        let before_trial = BEFORE_TRIAL[0];
        Pace { is_alone: false, rounds: 0, before_trial, usual, trial }
    }
}

impl Pace {
    /// The way of the next rounds, of which there are so many at most (and at least one).
    pub(super) fn turn(&mut self, most: usize) -> Turn {
        if self.rounds == self.before_trial + TRIAL {
            let [least, most] = BEFORE_TRIAL;
            let is_better = self.trial < BETTER * self.usual;
            let before_trial = if is_better { least } else { most.min(2 * self.before_trial) };
            *self = Pace { is_alone: self.is_alone != is_better, before_trial, ..Pace::default() };
        }
        // Before the trial rounds that do not count, then those that do, and on trial the same.
        let (before, after) = (self.before_trial, self.before_trial + TRIAL);
        let is_trial = self.rounds >= before;
        let end = if is_trial { after } else { before };
        let counts = self.rounds >= end - COUNTED;
        let left = if counts { end } else { end - COUNTED } - self.rounds;
        let most = if counts { most.min(COUNTED_AT_ONCE) } else { most };
        let rounds = left.min(u32::try_from(most).unwrap_or(u32::MAX));
        self.rounds += rounds;
        Turn { is_alone: self.is_alone != is_trial, rounds: rounds as usize, counts }
    }

    /// Rounds whose time counts took so long for their work.
    pub(super) fn took(&mut self, time: f64) {
        let is_trial = self.rounds > self.before_trial;
        let least = if is_trial { &mut self.trial } else { &mut self.usual };
        *least = least.min(time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of so many that one thread does, where a round takes that long on several threads and on one, and there are
    /// as many as `most` at once.
    fn alone_of(pace: &mut Pace, rounds: u32, most: usize, [together, alone]: [f64; 2]) -> u32 {
        let (mut count, mut done) = (0, 0);
        while done < rounds {
            let turn = pace.turn(most.min((rounds - done) as usize));
            assert!((1..=most).contains(&turn.rounds));
            done += turn.rounds as u32;
            count += if turn.is_alone { turn.rounds as u32 } else { 0 };
            if turn.counts {
                pace.took(if turn.is_alone { alone } else { together });
            }
        }
        assert_eq!(done, rounds);
        count
    }

    #[test]
    fn the_faster_way_is_taken() {
        [1, 3, 100, usize::MAX].into_iter().for_each(the_faster_way_is_taken_of);
    }

    fn the_faster_way_is_taken_of(most: usize) {
        let alone = |pace: &mut Pace, rounds, times| alone_of(pace, rounds, most, times);
        let [least, most] = BEFORE_TRIAL;
        let (first, last) = (least + TRIAL, most + TRIAL);
        let mut pace = Pace::default();
        // Only on trial; as fast is no reason to change.
        assert_eq!(alone(&mut pace, first, [1.0, 1.3]), TRIAL);
        assert_eq!(alone(&mut pace, first + least, [1.0, 0.97]), TRIAL);
        // The less often the longer it is no better.
        let rounds = alone(&mut pace, 100 * last, [1.0, 1.3]);
        assert!((100 * TRIAL..106 * TRIAL).contains(&rounds), "{rounds}");
        // The cores are far from each other: from the next trial on.
        let rounds = alone(&mut pace, 100 * last, [1.5, 1.0]);
        assert!((98 * last..100 * last).contains(&rounds), "{rounds}");
        // And near again.
        let rounds = alone(&mut pace, 100 * last, [0.8, 1.0]);
        assert!((100 * TRIAL..2 * last).contains(&rounds), "{rounds}");
    }
}

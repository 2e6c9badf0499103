//! Poisson processes: independent, exponentially distributed intervals, in units of the rate's
//! integral where the rate changes in time.

use std::sync::Arc;

use bevy_ecs::prelude::*;

use super::{GroupSize, Rates, SpikeTrain, TOGETHER, Train, insert_trains, rates};
use crate::circuit::number::with_width;
use crate::circuit::{Domain, math};
use crate::network::SourceGroup;
use crate::rng::{StreamKey, open_unit};
use crate::scene::decode::{At, Variant};
use crate::scene::diagnostics::Diagnostics;
use crate::scene::files::{self, Folder, InputFile};
use crate::scene::{Source, write};
use crate::simulation::Simulation;
use crate::time::Time;

const HELP: &str = "for example rates: \"100 Hz\", Linear(from: \"0 Hz\", to: \"199 Hz\"), \
                    List([\"1 Hz\", …]) or Steps([(\"0 s\", \"10 Hz\"), (\"0.5 s\", \"50 Hz\")])";

/// Rates that change in time: piecewise constant, each from a time until the next, the last to the
/// end. The times are ascending, the first is 0.
pub type RateSteps = Arc<[(Time, Rates)]>;

/// A Poisson process for each source of a group.
#[derive(Debug, Clone)]
pub struct Poisson {
    steps: RateSteps,
    /// The file of the steps.
    file: Option<InputFile>,
}

impl Poisson {
    /// Reads `Poisson(rates: …)`.
    pub fn read(
        variant: &Variant,
        size: &GroupSize,
        folder: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Source> {
        let size = size.need(dx);
        let mut fields = variant.fields(dx)?;
        let rates = fields.need(dx, "rates", HELP);
        fields.close(dx);
        let (size, rates) = (size?, rates?);
        Some(Source { size, train: Arc::new(Poisson::read_rates(&rates, size, folder, dx)?) })
    }

    fn read_rates(
        at: &At,
        size: u64,
        folder: &mut Folder,
        dx: &mut Diagnostics,
    ) -> Option<Poisson> {
        let constant = |rates| Poisson { steps: [(Time::ZERO, rates)].into(), file: None };
        if at.is_scalar() || at.is_list() {
            return Rates::read(at, size, dx).map(constant);
        }
        let forms = ["Linear", "List", "Steps", "File"];
        let variant = at.variant(dx, "a list of rates", &forms)?;
        match variant.name {
            "Steps" => {
                let list = variant.single(dx, "[(\"0 s\", \"10 Hz\"), (\"0.5 s\", \"50 Hz\")]")?;
                Some(Poisson { steps: listed_steps(&list, size, dx)?.into(), file: None })
            }
            "File" => {
                let path = variant.single(dx, "\"rates.csv\"")?;
                let file = folder.read(&path, dx)?;
                let steps = filed_steps(&file, size, &path, dx)?.into();
                Some(Poisson { steps, file: Some(file) })
            }
            _ => Rates::read_named(&variant, size, dx).map(constant),
        }
    }
}

/// `[("0 s", "10 Hz"), ("0.5 s", Linear(from: "0 Hz", to: "199 Hz"))]`.
fn listed_steps(at: &At, size: u64, dx: &mut Diagnostics) -> Option<Vec<(Time, Rates)>> {
    const HELP: &str = "write (\"time\", rate), for example (\"0.5 s\", \"50 Hz\")";
    let items = at.list(dx)?;
    if items.is_empty() {
        at.error(dx, "the list of steps is empty").help(HELP);
        return None;
    }
    let errors = dx.errors();
    let mut steps: Vec<(Time, Rates)> = Vec::new();
    for (k, item) in items.iter().enumerate() {
        let step = match item.tuple().as_deref() {
            Some([time, rates]) => {
                let start = time.time(dx, Domain::NonNegative);
                let last = steps.last().map(|(last, _)| *last);
                if let Some(start) = start
                    && let Err((message, help)) = check_start(start, k == 0, last)
                {
                    time.error(dx, message).help(help);
                }
                start.zip(Rates::read(rates, size, dx))
            }
            _ => {
                item.error(dx, format!("expected a step of the rate, found {}", item.noun()))
                    .help(HELP);
                None
            }
        };
        steps.extend(step);
    }
    (dx.errors() == errors).then_some(steps)
}

/// Steps from a file with the header `time_s` and one column for all sources or one for each, Hz.
fn filed_steps(
    file: &InputFile,
    size: u64,
    at: &At,
    dx: &mut Diagnostics,
) -> Option<Vec<(Time, Rates)>> {
    let check = |rate: f64| {
        let negative = || Err(format!("{rate} Hz is negative"));
        let rule = if rate < 0.0 { negative() } else { rates::check(rate) };
        rule.map_err(|rule| (rule, "rates are in Hz, from 0 to 1e6"))
    };
    const HEADER: &str = "the first line is a header like time_s,rate_hz";
    let table = files::time_table(file, HEADER, check, at, dx)?;
    let columns = table.columns.len();
    if columns != 1 && columns as u64 != size {
        at.error(dx, format!("{}: {columns} columns of rates for {size} sources", file.path))
            .help("after time_s give one column for all sources or one for each");
        return None;
    }
    if let Some(Err((message, help))) =
        table.rows.first().map(|(start, _)| check_start(*start, true, None))
    {
        at.error(dx, format!("{}: {message}", file.path)).help(help);
        return None;
    }
    let rates = |values: Vec<f64>| match values[..] {
        [one] => Rates::One(one),
        _ => Rates::List(values),
    };
    Some(table.rows.into_iter().map(|(start, values)| (start, rates(values))).collect())
}

/// The first step starts at 0, the others after the one before; else message and remedy.
fn check_start(
    start: Time,
    is_first: bool,
    last: Option<Time>,
) -> Result<(), (String, &'static str)> {
    if is_first && start > Time::ZERO {
        return Err((
            format!("the first rate holds from {start} s on, not from 0 s"),
            "say what the rate is at the beginning: a rate of 0 Hz is silent",
        ));
    }
    match last {
        Some(last) if start <= last => {
            Err((format!("{start} s does not come after {last} s"), "sort the steps by time"))
        }
        _ => Ok(()),
    }
}

impl Train for Poisson {
    fn ron(&self, file_path: &dyn Fn(&InputFile) -> String) -> String {
        let rates = match (&self.file, &self.steps[..]) {
            (Some(file), _) => format!("File({})", file_path(file)),
            (None, [(_, rates)]) => rates.ron(),
            (None, steps) => {
                let steps: Vec<String> = steps
                    .iter()
                    .map(|(start, rates)| format!("({}, {})", write::time(*start), rates.ron()))
                    .collect();
                format!("Steps([{}])", write::lines(&steps))
            }
        };
        format!("Poisson(rates: {rates})")
    }

    fn files(&self) -> Vec<&InputFile> {
        self.file.iter().collect()
    }

    fn rate(&self, index: u64) -> Option<f64> {
        match &self.steps[..] {
            [(_, rates)] => Some(rates.of(index)),
            _ => None,
        }
    }

    fn mean_rate(&self, from: Time, to: Time) -> f64 {
        let ends = self.steps.iter().skip(1).map(|(start, _)| *start).chain([Time::MAX]);
        let spikes =
            self.steps.iter().zip(ends).map(|((start, rates), end)| {
                rates.mean() * (end.min(to) - from.max(*start)).seconds()
            });
        let spikes: f64 = spikes.sum();
        if to > from { spikes / (to - from).seconds() } else { 0.0 }
    }

    fn peak_rate(&self) -> f64 {
        self.steps.iter().map(|(_, rates)| rates.mean()).fold(0.0, f64::max)
    }

    fn insert(&self, group: &SourceGroup, simulation: &mut Simulation) {
        let key = StreamKey::new(simulation.scene().seed, &["poisson", &group.name]);
        let processes = Arc::new(Group { steps: self.steps.clone(), key });
        insert_trains(group, simulation, |index| PoissonTrain::new(&processes, index));
    }
}

/// What the processes of a group have in common.
#[derive(Debug)]
struct Group {
    steps: RateSteps,
    key: StreamKey,
}

/// A Poisson process, exact: unit-rate exponential intervals in the integral of the rate (Brown et
/// al. 2002, Neural Computation 14, time-rescaling theorem).
///
/// It is one line of the cache, because each spike of a group is found in another one.
#[derive(Component, Debug, Clone)]
#[component(summary_tick)]
#[repr(align(64))]
pub struct PoissonTrain {
    group: Arc<Group>,
    index: u32,
    /// The step of `next`.
    step: u32,
    next: Time,
    /// Intervals that it has gone on by.
    drawn: u64,
    /// Those after them, of unit rate, as far as they are drawn already: a block of random words is good for two.
    ahead: [f64; 3],
    len: u8,
}

impl PoissonTrain {
    /// The process of source `index` of a group, drawn from the stream of that index; `None` where
    /// it is silent.
    fn new(group: &Arc<Group>, index: u32) -> Option<PoissonTrain> {
        if group.steps.iter().all(|(_, rates)| rates.of(u64::from(index)) <= 0.0) {
            return None;
        }
        let group = group.clone();
        let (next, ahead) = (Time::ZERO, [0.0; 3]);
        let mut train = PoissonTrain { group, index, step: 0, next, drawn: 0, ahead, len: 0 };
        train.advance();
        Some(train)
    }

    /// Its rate.
    pub(super) fn steps(&self) -> &RateSteps {
        &self.group.steps
    }

    /// Its next spike, and the step of its rate then.
    pub(super) fn at(&self) -> (Time, usize) {
        (self.next, self.step as usize)
    }

    /// Whether it stands at its first spike, and is drawn from the stream of this index of a key.
    pub(super) fn is_fresh(&self, key: &StreamKey, index: u32) -> bool {
        self.drawn == 1 && self.index == index && self.group.key == *key
    }

    /// The next interval of unit rate.
    #[inline]
    fn draw(&mut self) -> f64 {
        if self.len == 0 {
            let (key, index, k) = self.next_block();
            let [a, b, c, d] = key.block(index, k);
            self.add(math::ln_each([open_unit(a, b), open_unit(c, d)]));
        }
        let [first, second, third] = self.ahead;
        self.ahead = [second, third, third];
        self.len -= 1;
        self.drawn += 1;
        first
    }

    /// The block of random words of which it draws next: key and index of its stream, and the number.
    fn next_block(&self) -> (StreamKey, u64, u64) {
        (self.group.key, self.index.into(), (self.drawn + u64::from(self.len)) / 2)
    }

    /// Takes the intervals from the logarithms of the block's uniform numbers.
    #[inline]
    fn add(&mut self, [first, second]: [f64; 2]) {
        let len = usize::from(self.len);
        [self.ahead[len], self.ahead[len + 1]] = [-first, -second];
        self.len += 2;
    }
}

/// Of fewer trains each draws for itself.
const FEWEST_TOGETHER: usize = 4;
const _: () = assert!(size_of::<PoissonTrain>() == 64);

/// The logarithms of the two uniform numbers that each of these blocks is good for.
#[inline(always)]
fn logarithms<const N: usize>(of: &[(StreamKey, u64, u64); N]) -> [[f64; N]; 2] {
    let [a, b, c, d] = StreamKey::blocks(of);
    let (mut first, mut second) = ([0.0; N], [0.0; N]);
    for lane in 0..N {
        first[lane] = open_unit(a[lane], b[lane]);
        second[lane] = open_unit(c[lane], d[lane]);
    }
    [math::natural_logarithms(first), math::natural_logarithms(second)]
}

impl SpikeTrain for PoissonTrain {
    fn next(&self) -> Time {
        self.next
    }

    /// Draws ahead where there is room.
    fn prepare(trains: &mut [PoissonTrain], rows: &[usize]) {
        for rows in rows.chunks(TOGETHER) {
            let (mut own, mut count) = ([0; TOGETHER], 0);
            for &row in rows {
                own[count] = row;
                count += usize::from(trains[row].len <= 1);
            }
            if count < FEWEST_TOGETHER {
                continue;
            }
            let own = &own[..count];
            let mut of = [trains[own[0]].next_block(); TOGETHER];
            for (of, row) in of.iter_mut().zip(own) {
                *of = trains[*row].next_block();
            }
            let [first, second] = with_width!(*math::LEVEL, _width => logarithms(&of));
            for ((row, first), second) in own.iter().zip(first).zip(second) {
                trains[*row].add([first, second]);
            }
        }
    }

    fn advance(&mut self) {
        // Of the rate's integral; what a step does not use up is left for the next.
        let mut left = self.draw();
        loop {
            let step = self.step as usize;
            let rate = self.group.steps[step].1.of(u64::from(self.index));
            let interval = if rate > 0.0 { Time::from_seconds(left / rate) } else { None };
            let reached = interval.map_or(Time::MAX, |interval| self.next + interval);
            match self.group.steps.get(step + 1) {
                Some((end, _)) if reached >= *end => {
                    left = (left - rate * (*end - self.next).seconds()).max(0.0);
                    self.next = *end;
                    self.step += 1;
                }
                _ => {
                    self.next = reached;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(steps: &[(f64, f64)], index: u32) -> Option<PoissonTrain> {
        let steps =
            steps.iter().map(|(t, rate)| (Time::from_seconds(*t).unwrap(), Rates::One(*rate)));
        let key = StreamKey::new(1, &["poisson", "noise"]);
        PoissonTrain::new(&Arc::new(Group { steps: steps.collect(), key }), index)
    }

    fn times(mut train: PoissonTrain, n: usize) -> Vec<Time> {
        let mut next = || {
            let time = train.next();
            train.advance();
            time
        };
        (0..n).map(|_| next()).collect()
    }

    /// Mean and cv of intervals within five standard errors of 1/rate and 1.
    fn check_unit_intervals(intervals: &[f64]) {
        let n = intervals.len() as f64;
        let mean = intervals.iter().sum::<f64>() / n;
        let square = intervals.iter().map(|x| x * x).sum::<f64>() / n;
        let cv = (square - mean * mean).sqrt() / mean;
        let error = 1.0 / n.sqrt();
        assert!((mean - 1.0).abs() < 5.0 * error, "mean {mean}");
        // The cv of an exponential sample has the standard error 1/√n.
        assert!((cv - 1.0).abs() < 5.0 * error, "cv {cv}");
    }

    #[test]
    fn intervals_are_exponential() {
        let times = times(train(&[(0.0, 50.0)], 3).unwrap(), 1_000_000);
        let starts = [Time::ZERO].into_iter().chain(times.iter().copied());
        let intervals: Vec<f64> =
            starts.zip(&times).map(|(a, b)| (*b - a).seconds() * 50.0).collect();
        check_unit_intervals(&intervals);
    }

    /// A constant rate: the intervals −ln(u)/rate, each rounded to a picosecond, whatever the form.
    #[test]
    fn a_constant_rate_is_one_draw_per_spike() {
        let mut stream = StreamKey::new(1, &["poisson", "noise"]).stream(5);
        let mut time = Time::ZERO;
        let expected: Vec<Time> = (0..1000)
            .map(|_| {
                let unit = open_unit(stream.next_u32(), stream.next_u32());
                time = time + Time::from_seconds(-math::ln(unit) / 33.3).unwrap();
                time
            })
            .collect();
        assert_eq!(times(train(&[(0.0, 33.3)], 5).unwrap(), 1000), expected);
        // Steps of the same rate differ by the rounding at each step at most.
        let steps: Vec<(f64, f64)> = (0..100).map(|k| (f64::from(k) * 0.1, 33.3)).collect();
        for (a, b) in times(train(&steps, 5).unwrap(), 1000).iter().zip(&expected) {
            assert!(a.picoseconds().abs_diff(b.picoseconds()) <= 200, "{a} {b}");
        }
    }

    /// Trains that draw ahead, some more often than others, fire when they do alone.
    #[test]
    fn trains_that_are_prepared_fire_at_the_same_times() {
        let alone = |index| train(&[(0.0, 33.3), (2.0, 500.0)], index).unwrap();
        let mut trains: Vec<PoissonTrain> = (0..40).map(alone).collect();
        let mut found = vec![Vec::new(); trains.len()];
        for round in 0..300 {
            let rows: Vec<usize> =
                (0..40).filter(|row| (round + row) % (1 + row % 5) == 0).collect();
            PoissonTrain::prepare(&mut trains, &rows);
            for row in rows {
                for _ in 0..=round % 4 {
                    found[row].push(trains[row].next());
                    trains[row].advance();
                }
            }
        }
        for (index, found) in (0..).zip(found) {
            assert_eq!(times(alone(index), found.len()), found, "train {index}");
        }
    }

    /// In the integral of the rate, intervals are those of a unit-rate process; and each step has
    /// its number of spikes within five standard errors.
    #[test]
    fn a_rate_that_changes_is_a_unit_rate_in_its_integral() {
        let steps = [(0.0, 10.0), (0.5, 50.0), (0.7, 0.0), (1.0, 400.0), (1.5, 2.0)];
        let ends = [0.5, 0.7, 1.0, 1.5, 10.0];
        let integral = |t: f64| -> f64 {
            let parts =
                steps.iter().zip(ends).map(|((from, rate), to)| rate * (t.min(to) - from).max(0.0));
            parts.sum()
        };
        let sources = 1000;
        let mut counts = [0.0; 5];
        // One source after the other in the integral: again one process of unit rate.
        let mut points = vec![0.0];
        for index in 0..sources {
            let mut train = train(&steps, index).unwrap();
            while train.next().seconds() < 10.0 {
                let time = train.next().seconds();
                points.push(f64::from(index) * integral(10.0) + integral(time));
                counts[ends.iter().position(|end| time < *end).unwrap()] += 1.0;
                train.advance();
            }
        }
        let intervals: Vec<f64> = points.windows(2).map(|pair| pair[1] - pair[0]).collect();
        check_unit_intervals(&intervals);
        for ((count, (from, rate)), to) in counts.iter().zip(steps).zip(ends) {
            let expected = f64::from(sources) * rate * (to - from);
            assert!((count - expected).abs() <= 5.0 * expected.sqrt(), "{count} {expected}");
        }
    }

    /// Of 10 Hz until 0.5 s and 50 Hz then, half a second around it has 0.25 s of each.
    #[test]
    fn the_mean_rate_is_that_of_the_span() {
        let time = |seconds| Time::from_seconds(seconds).unwrap();
        let steps = [(0.0, 10.0), (0.5, 50.0)].map(|(t, rate)| (time(t), Rates::One(rate)));
        let train = Poisson { steps: steps.into(), file: None };
        assert_eq!(train.mean_rate(time(0.25), time(0.75)), 30.0);
        assert_eq!(train.mean_rate(time(0.0), time(0.5)), 10.0);
        assert_eq!(train.mean_rate(time(2.0), Time::MAX), 50.0);
        assert_eq!(train.mean_rate(time(2.0), time(1.0)), 0.0);
        assert_eq!(train.peak_rate(), 50.0);
        assert_eq!(train.rate(0), None, "there is no one rate");
    }

    #[test]
    fn rate_zero_is_silent() {
        assert!(train(&[(0.0, 0.0)], 0).is_none());
        assert!(train(&[(0.0, 0.0), (1.0, 0.0)], 0).is_none());
        // For good, after the last step.
        let spikes = times(train(&[(0.0, 100.0), (1.0, 0.0)], 0).unwrap(), 300);
        assert!(spikes.iter().all(|t| t.seconds() < 1.0 || *t == Time::MAX));
        assert_eq!(spikes.last(), Some(&Time::MAX));
        let late = train(&[(0.0, 0.0), (1.0, 100.0)], 0).unwrap();
        assert!(late.next().seconds() > 1.0);
    }
}

//! The router: from spikes to the inboxes of banks.
//!
//! A spike of a source that arrives in the round at hand goes straight into the inboxes. Otherwise
//! it is put into the calendar once per group of edges with the same delay (and share of the inbox, where threads have
//! blocks of their own), at the round in which they arrive; the fan-out happens when that round is delivered.

use std::ops::Range;

use bevy_ecs::prelude::*;
use smallvec::SmallVec;

use super::build;
use super::calendar::{Calendar, Due, Fired, Page, Published, pulses};
use super::inbox::{Delivery, Inbox, MOST_SUMMED_STEPS, Moment, Run, Shape, Share};
use super::plasticity::EdgeWeights;
use super::port::Port;
use super::spikes::{Spike, part};
use super::table::{Cuts, EdgeRun, MOST_CUTS, Numbering, Table, TableEdge, TableEdges};
use super::{Edge, WindowSpikes, lengths};
use crate::backend::{Backend, CurrentBackend};
use crate::bank::{Bank, Banks, Neurons};
use crate::error::Error;
use crate::scene::{GroupId, Scene};
use crate::schedule::Window;
use crate::threads::{self, Apart, Pool};
use crate::time::Time;

/// Several pieces of what arrives at once for each thread even out their load. (Each piece has a share of the inbox.
/// With one for each thread there would be fewer lists to look through, but those of each thread would grow to what it
/// took in its worst window.)
const PIECES: usize = 2;
/// Arrivals by a run of edges that are put down together: they lie on the stack, and few runs have more in a window.
const MOMENTS: usize = 16;
/// So many lines of edges are fetched before they are delivered: about twice as many as can be on their way at once.
const PREFETCH: u64 = 32;
/// And the groups of an emitter, that many spikes after those at hand.
const PREFETCH_EMITTERS: usize = 6;

/// What a pulse takes about on one thread.
pub(crate) const NANOSECONDS_OF_A_PULSE: u64 = 10;

/// The threads that work of so many nanoseconds is worth, if any.
pub type Threads<'a> = &'a dyn Fn(u64) -> Option<&'a Pool>;

/// Lists of spikes.
type Lists<'s> = SmallVec<[&'s [Spike]; 16]>;

/// Says when something arrives in a round, as solvers want it.
#[derive(Clone, Copy)]
struct Clock {
    window: Window,
    /// Steps of the window in one of the neurons that are advanced by steps. With Euler it is one, and nothing is
    /// divided; among event-driven neurons an arrival acts on stepped ones in the step in which it falls.
    unit: u64,
}

impl Clock {
    #[inline(always)]
    fn moment(self, step: u64) -> Moment {
        debug_assert!(step >= self.window.first_step, "an arrival came too late");
        let at = step - self.window.first_step;
        let at = if self.unit == 1 { at } else { at / self.unit };
        Moment { step: at as usize, time: Time::from_steps(step, self.window.dt) }
    }
}

/// The table of edges and the calendar of arrivals.
#[derive(Resource, Debug)]
pub struct Router {
    /// What times are multiples of.
    dt: Time,
    /// The step of neurons that are advanced by steps, if there are any.
    step: Option<Time>,
    /// Of a round: no spike that is fired in it can arrive in it.
    round_steps: u64,
    /// Of a window: of several rounds, where the network goes through them by itself.
    window_steps: u64,
    /// Whether the back end does that, and routes the spikes of neurons.
    is_taken_over: bool,
    total_steps: u64,
    numbering: Numbering,
    table: Table,
    cuts: Cuts,
    delivery: Delivery,
    /// Whether all neurons are event-driven, and each share of the inbox is to have blocks of its own.
    events_by_blocks: bool,
    /// What arrives after this round, for each share of the inbox.
    calendars: Vec<Calendar>,
    /// Room for what goes there, for each thread.
    later: Vec<Apart<Page>>,
    /// Room for what neurons fire while the network goes through rounds by itself.
    fired: Vec<Fired>,
}

impl Router {
    /// Builds the table from the scene's projections and the world's
    /// [`FanOut`](super::FanOut)s, and decides the fixed-point exponents of all banks. Edges are
    /// drawn by the threads of the back end.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than 2³² edges, [`Error::Connection`] for impossible hand-made
    /// edges.
    pub fn build(
        scene: &Scene,
        dt: Time,
        world: &mut World,
        backend: &dyn Backend,
    ) -> Result<Router, Error> {
        let numbering = Numbering::new(scene);
        let (mut table, shortest_delay) = build::table(scene, dt, &numbering, world, backend)?;
        let least = scene.least_delay();
        if let Some(delay) = shortest_delay.filter(|delay| *delay < least) {
            return Err(Error::Connection(format!(
                "an edge between neurons has a delay of {delay} s, but the event-driven solver needs \
                 {least} s or more"
            )));
        }
        let round_steps = lengths::round(scene, shortest_delay).steps(dt);
        let banks = &world.resource::<Banks>().0;
        let delivery = backend.delivery(banks);
        if delivery != Delivery::Host {
            table.reweighted = Some(Vec::new());
        }
        let is_event = |bank: &Bank| matches!(bank.neurons, Neurons::Event(_));
        let any_stepped = banks.is_empty() || !banks.iter().all(is_event);
        let step = any_stepped.then_some(scene.solver.step());
        let full = Window { first_step: 0, steps: round_steps, dt };
        let is_short = step.is_some_and(|step| {
            (1..=MOST_SUMMED_STEPS as u64).contains(&full.in_steps_of(step).steps)
        });
        // Each thread delivers to blocks of its own. (To event-driven neurons only where most edges start at neurons: what
        // sources fire may arrive in the same round, and is put down at once otherwise, by parts of the spikes.)
        let edges = table.edges.len();
        let mostly_from_neurons = 2 * table.edges_from(numbering.first_neuron() as usize) > edges;
        let is_on_host = delivery == Delivery::Host;
        let events_by_blocks = is_on_host && !any_stepped && mostly_from_neurons;
        let steps_by_blocks = is_on_host && is_short && !banks.iter().any(is_event);
        let is_shared = events_by_blocks || steps_by_blocks;
        let shares = if is_shared { backend.shares(banks, edges, &full) } else { 1 };
        let cuts = Cuts::new(
            &table,
            shares,
            MOST_CUTS,
            backend.pool(NANOSECONDS_OF_A_PULSE * edges as u64),
        );
        let calendar = || Calendar::new(round_steps);
        let calendars = std::iter::repeat_with(calendar).take(cuts.shares()).collect();
        Ok(Router {
            dt,
            step,
            round_steps,
            window_steps: round_steps,
            is_taken_over: false,
            total_steps: scene.duration.steps(dt),
            numbering,
            table,
            cuts,
            delivery,
            events_by_blocks,
            calendars,
            later: Vec::new(),
            fired: Vec::new(),
        })
    }

    /// Steps of a full window.
    #[must_use]
    pub fn window_steps(&self) -> u64 {
        self.window_steps
    }

    /// Steps of a round: no spike that is fired in it can arrive in it.
    #[must_use]
    pub fn round_steps(&self) -> u64 {
        self.round_steps
    }

    /// Shares of the inbox in rounds in which each has blocks of its own.
    pub(crate) fn shares(&self) -> usize {
        self.cuts.shares()
    }

    /// The rounds of a window through which back ends go one after the other. Like windows they start at
    /// multiples of their length.
    pub fn rounds(&self, window: Window) -> impl Iterator<Item = Window> + use<> {
        let full = if self.is_taken_over { self.window_steps } else { self.round_steps };
        let (mut first_step, end) = (window.first_step, window.first_step + window.steps);
        std::iter::from_fn(move || {
            let steps = (full - first_step % full).min(end - first_step);
            let round = Window { first_step, steps, ..window };
            first_step += steps;
            (steps > 0).then_some(round)
        })
    }

    /// From now on somebody looks between rounds, or nobody does: windows are longer then.
    pub(crate) fn set_observed(&mut self, scene: &Scene, is_observed: bool) {
        self.window_steps =
            if is_observed { self.round_steps } else { lengths::window(scene, self.round_steps) };
    }

    /// The back end routes the spikes of neurons itself, and nobody looks between rounds: windows are as long
    /// as the scene wants, or longer where that would not keep the back end busy.
    pub(crate) fn hand_over(&mut self, scene: &Scene, is_heard: bool) {
        self.window_steps = lengths::window_of_device(scene, self.round_steps, is_heard);
        self.is_taken_over = true;
    }

    /// All edges, hand-made ones included.
    #[must_use]
    pub fn edge_count(&self) -> usize {
        self.table.edges.len()
    }

    /// What times are multiples of.
    #[cfg(feature = "cuda")]
    pub(crate) fn grid(&self) -> Time {
        self.dt
    }

    /// Steps of the scene.
    #[cfg(feature = "cuda")]
    pub(crate) fn total_steps(&self) -> u64 {
        self.total_steps
    }

    /// The number of the first source of a group among all emitters.
    #[cfg(feature = "cuda")]
    pub(crate) fn first_source(&self, group: usize) -> u32 {
        self.numbering.first(GroupId::Source(group))
    }

    /// The number of the first neuron of a population among all emitters.
    pub(crate) fn first_neuron(&self, population: usize) -> u32 {
        self.numbering.first(GroupId::Population(population))
    }

    /// The first group of each emitter and the first edge of each group, with the end of the last; and the delays
    /// of groups, in steps.
    #[cfg(feature = "cuda")]
    pub(crate) fn device_groups(&self) -> ([Vec<u32>; 2], Vec<u64>) {
        let table = &self.table;
        let groups = table.groups.iter();
        let mut first_of = table.first_group.clone();
        first_of.resize(self.numbering.emitters() + 1, first_of.last().copied().unwrap_or(0));
        let delays = groups.clone().map(|group| group.delay).collect();
        ([first_of, groups.map(|group| group.first_edge).collect()], delays)
    }

    /// All edges in the order of the table: the block in which they end (counted over all banks), lane and
    /// receptor, and the pulses of a spike in fixed point.
    #[cfg(feature = "cuda")]
    pub(crate) fn ends(&self) -> impl Iterator<Item = ([usize; 3], i32)> {
        self.table.edges.iter().map(|edge| {
            let (row, lane) = edge.port.parts();
            let row = self.table.rows.rows[row];
            ([row.block as usize, lane, row.receptor.into()], edge.weight)
        })
    }

    /// The weights of the projection with this index in the scene; `None` where it has no
    /// [`Plasticity`](super::Plasticity).
    pub fn weights(&mut self, projection: usize) -> Option<EdgeWeights<'_>> {
        EdgeWeights::new(&mut self.table, projection)
    }

    /// The edges of a plastic projection with the weights that they have now.
    #[must_use]
    pub fn learnt(&self, projection: usize) -> Option<Vec<Edge>> {
        self.table.learnt(projection)
    }

    /// Delivers the arrivals of a round that are in the calendar into the inbox, which is emptied
    /// first.
    pub fn deliver(&mut self, window: &Window, inbox: &mut Inbox, threads: Threads) {
        let pulses = self.begin(window, inbox);
        let pool = self.pool(pulses, threads);
        let by_blocks = inbox.is_shared_by_blocks();
        let threads = pool.map_or(1, Pool::threads);
        let (shape, mut shares) = inbox.shares(if by_blocks { self.shares() } else { threads });
        let count = shares.len();
        threads::each(pool, &mut shares, |k, share| {
            // Each thread delivers all that ends in its blocks, or what is due in a part of the round.
            let all = &self.calendars;
            let part = if by_blocks { (0, 1) } else { (k as u64, count as u64) };
            let calendars = if by_blocks { std::slice::from_ref(&all[k]) } else { all };
            self.deliver_to(share, shape, window, calendars, part);
        });
        drop(shares);
        self.end(window, inbox, count);
    }

    /// Begins a round, or several of the same length with this one. So many pulses are in the calendar for it.
    pub(crate) fn begin(&mut self, window: &Window, inbox: &mut Inbox) -> u64 {
        if self.delivery == Delivery::Device {
            inbox.reset_runs();
        } else {
            let steps = self.step.map(|step| window.in_steps_of(step).steps);
            inbox.begin(&self.table.rows, steps, self.events_by_blocks);
        }
        if let Some(reweighted) = &mut self.table.reweighted {
            inbox.reweighted.append(reweighted);
        }
        self.calendars
            .iter()
            .flat_map(|own| own.until_end_of(window))
            .map(|page| pulses(page))
            .sum()
    }

    /// Empties a share and delivers to it what these calendars have for the `k`-th of `count` parts of a round.
    fn deliver_to(
        &self,
        share: &mut Share,
        shape: &Shape,
        window: &Window,
        calendars: &[Calendar],
        (k, count): (u64, u64),
    ) {
        let pages = calendars.iter().flat_map(|own| own.until_end_of(window)).map(Vec::as_slice);
        let pages: SmallVec<[&[Due]; 8]> = pages.collect();
        if self.delivery != Delivery::Device {
            share.reset();
            if shape.is_summed() {
                share.expect(shape, pages.iter().map(|page| pulses(page)).sum());
            }
        }
        let steps = window.steps / count;
        let from = if k == 0 { 0 } else { window.first_step + steps * k };
        let to = if k + 1 == count { window.steps } else { steps * (k + 1) };
        let steps = from..window.first_step + to;
        if !shape.has_events {
            return self.fan_out_all(&pages, steps, window, shape, share);
        }
        // Event-driven neurons want them in the order of time.
        let mut own = std::mem::take(share.due());
        own.extend(pages.iter().copied().flatten().filter(|due| steps.contains(&due.step)));
        own.sort_unstable_by_key(|due| due.step);
        self.fan_out_all(&[&own], steps, window, shape, share);
        own.clear();
        *share.due() = own;
    }

    /// Empties a share that has blocks, in one of the rounds that a network goes through by itself, and delivers what was
    /// due before the first of them and what its `own` neurons have fired since: so many pulses.
    pub(crate) fn begin_share(
        &self,
        (k, share): (usize, &mut Share),
        shape: &Shape,
        round: &Window,
        own: Option<&Page>,
    ) -> u64 {
        share.reset();
        let due = self.calendars[k].page(round).into_iter().chain(own.map(|page| &page[k]));
        self.deliver_round(share, shape, round, due)
    }

    /// Delivers to it what the neurons of other shares have fired: so many pulses.
    pub(crate) fn deliver_fired<'f>(
        &'f self,
        (k, share): (usize, &mut Share),
        shape: &Shape,
        round: &Window,
        fired: impl Iterator<Item = &'f Page>,
    ) -> u64 {
        self.deliver_round(share, shape, round, fired.map(|page| &page[k]))
    }

    /// Delivers what is due in a round to a share that has blocks.
    #[inline(always)]
    fn deliver_round<'d>(
        &self,
        share: &mut Share,
        shape: &Shape,
        round: &Window,
        due: impl Iterator<Item = &'d Vec<Due>>,
    ) -> u64 {
        let pages: SmallVec<[&[Due]; 8]> = due.map(Vec::as_slice).collect();
        let pulses = pages.iter().map(|page| pulses(page)).sum();
        share.expect(shape, pulses);
        let steps = round.first_step..round.first_step + round.steps;
        self.fan_out_all(&pages, steps, round, shape, share);
        pulses
    }

    /// Room for what the neurons of each share fire in so many rounds, which goes [back](Router::end_fired).
    pub(crate) fn begin_fired(&mut self, rounds: usize) -> Vec<Fired> {
        let mut fired = std::mem::take(&mut self.fired);
        fired.resize_with(self.shares(), Fired::default);
        for fired in &mut fired {
            fired.pages.resize_with(rounds.max(fired.pages.len()), || self.page());
            fired.later.resize_with(self.shares(), Vec::new);
        }
        fired
    }

    /// An empty page.
    fn page(&self) -> Page {
        std::iter::repeat_with(Vec::new).take(self.shares()).collect()
    }

    /// Puts down what is due because neurons (counted over all emitters) have fired in a round, the `k`-th of so many:
    /// nothing of it arrives in that round.
    pub(crate) fn fire(
        &self,
        neurons: impl Iterator<Item = (u32, Time)> + Clone,
        round: &Window,
        (k, rounds): (usize, usize),
        fired: &mut Fired,
    ) {
        let Fired { pages, later } = fired;
        let pages = &mut pages[..rounds];
        let next = round.first_step + round.steps;
        self.for_each_due(neurons, round, |share, due| {
            debug_assert!(due.step >= next, "a spike arrives in its own round");
            let ahead = due.step - next;
            // (Mostly it arrives in the next round, and a division takes longer than all else here.)
            let ahead = if ahead < round.steps { 0 } else { ahead / round.steps };
            let page = pages.get_mut(k + 1 + ahead as usize);
            page.unwrap_or(later)[share].push(due);
        });
    }

    /// Visits what is due, with the share in which it ends, because emitters (counted over all) have fired at these times
    /// of a round.
    #[inline(always)]
    fn for_each_due(
        &self,
        fired: impl Iterator<Item = (u32, Time)> + Clone,
        round: &Window,
        mut visit: impl FnMut(usize, Due),
    ) {
        let mut soon = fired.clone();
        let mut fetch = || {
            if let Some((emitter, _)) = soon.next() {
                self.table.prefetch_groups(emitter as usize);
                self.cuts.prefetch(&self.table, emitter as usize);
            }
        };
        (0..PREFETCH_EMITTERS).for_each(|_| fetch());
        for (emitter, time) in fired {
            fetch();
            let step = round.step_of(time);
            for group in self.table.groups_of(emitter as usize) {
                let step = step.saturating_add(self.table.delay_steps(group));
                if step < self.total_steps {
                    let runs = self.cuts.runs(&self.table, group);
                    runs.for_each(|(share, run)| visit(share, Due { run, step }));
                }
            }
        }
    }

    /// Ends the rounds that a network went through by itself, which together are a window: see [`Router::end`].
    pub(crate) fn end_fired(
        &mut self,
        window: &Window,
        inbox: &mut Inbox,
        mut fired: Vec<Fired>,
        pages: Vec<Vec<Published>>,
    ) {
        self.end(window, inbox, pages.len());
        for (fired, pages) in fired.iter_mut().zip(pages) {
            for (room, page) in fired.pages.iter_mut().zip(pages) {
                // (Where the rounds ended early, there are pages that were not complete.)
                if let Some(page) = page.into_inner() {
                    *room = page;
                }
                room.iter_mut().for_each(Vec::clear);
            }
            for (calendar, later) in self.calendars.iter_mut().zip(&mut fired.later) {
                later.drain(..).for_each(|due| calendar.put_down(due));
            }
        }
        self.fired = fired;
    }

    /// Ends the delivery of a round, which was to the first `shares` of the inbox.
    fn end(&mut self, window: &Window, inbox: &mut Inbox, shares: usize) {
        if self.delivery != Delivery::Device {
            inbox.reset_parts(shares);
        }
        let end = window.first_step + window.steps;
        self.calendars.iter_mut().for_each(|calendar| calendar.end(end));
    }

    /// The threads for the delivery of so many pulses.
    fn pool<'a>(&self, pulses: u64, threads: Threads<'a>) -> Option<&'a Pool> {
        let pool = || threads(NANOSECONDS_OF_A_PULSE.saturating_mul(pulses));
        (self.delivery == Delivery::Host).then(pool).flatten()
    }

    /// Routes spikes of a group, given in lists: arrivals within the round `window` go into the inbox, later ones
    /// into the calendar.
    pub fn route(
        &mut self,
        group: GroupId,
        spikes: &[&[Spike]],
        window: &Window,
        inbox: &mut Inbox,
        threads: Threads,
    ) {
        let first = self.numbering.first(group);
        if !self.table.has_edges(self.numbering.of(group)) {
            return;
        }
        // Neurons have fired when the round's inboxes have been emptied already.
        let may_arrive_now = matches!(group, GroupId::Source(_));
        // Where threads have blocks of their own, each puts down there what arrives now. In a round of few steps that is
        // little: nearly all arrives later.
        let goes_at_once = may_arrive_now && !inbox.is_shared_by_blocks();
        let Table { edges, groups, .. } = &self.table;
        let of_a_spike = if goes_at_once || self.events_by_blocks {
            edges.len().div_ceil(groups.len().max(1))
        } else {
            groups.len().div_ceil(self.numbering.emitters())
        };
        let count: usize = spikes.iter().map(|list| list.len()).sum();
        if count == 0 {
            return;
        }
        let pulses_of_all = if may_arrive_now { count * of_a_spike } else { 0 };
        let pool = self.pool(pulses_of_all as u64, threads);
        let mut later = std::mem::take(&mut self.later);
        let parts = pool.map_or(1, |pool| pool.threads() * if goes_at_once { PIECES } else { 1 });
        later.resize_with(parts.max(later.len()), || Apart(self.page()));
        if goes_at_once {
            self.route_at_once(first, spikes, window, inbox, pool, &mut later[..parts]);
        } else {
            threads::each(pool, &mut later[..parts], |k, later| {
                for list in part(spikes, k, parts) {
                    let fired = list.iter().map(|(time, index)| (first + index, *time));
                    self.for_each_due(fired, window, |share, due| later.0[share].push(due));
                }
            });
        }
        // What each thread has for a share goes into its calendar, or arrives there now.
        let end = window.first_step + window.steps;
        let mut calendars = std::mem::take(&mut self.calendars);
        if may_arrive_now && !goes_at_once {
            let (shape, mut shares) = inbox.shares(self.shares());
            debug_assert_eq!(shares.len(), calendars.len());
            let mut pieces: SmallVec<[_; 4]> = shares.iter_mut().zip(&mut calendars).collect();
            threads::each(pool, &mut pieces, |k, (share, calendar)| {
                let mut now = std::mem::take(&mut calendar.now);
                for due in later.iter().flat_map(|later| &later.0[k]) {
                    if due.step < end { now.push(*due) } else { calendar.put_down(*due) }
                }
                share.expect(shape, pulses(&now));
                self.fan_out_all(&[&now], 0..end, window, shape, share);
                now.clear();
                calendar.now = now;
            });
        } else {
            for (k, calendar) in calendars.iter_mut().enumerate() {
                for due in later.iter().flat_map(|later| &later.0[k]) {
                    debug_assert!(due.step >= end, "a spike arrives in its own round");
                    calendar.put_down(*due);
                }
            }
        }
        later.iter_mut().flat_map(|later| &mut later.0).for_each(Vec::clear);
        (self.calendars, self.later) = (calendars, later);
    }

    /// Routes spikes that mostly arrive in the round, in as many pieces as there are lists for `later`: what arrives now
    /// goes into the share of the inbox that a piece has, and the rest into its lists.
    fn route_at_once(
        &self,
        first: u32,
        spikes: &[&[Spike]],
        window: &Window,
        inbox: &mut Inbox,
        pool: Option<&Pool>,
        later: &mut [Apart<Page>],
    ) {
        let (end, clock) = (window.first_step + window.steps, self.clock(window));
        let (shape, mut shares) = inbox.shares(later.len());
        let parts = shares.len();
        let mut pieces: SmallVec<[_; 4]> = shares.iter_mut().zip(later).collect();
        threads::each(pool, &mut pieces, |k, (share, later)| {
            // (Copies, which stay in registers while arrivals are written.)
            let (end, clock) = (end, clock);
            let mut now = [Moment { step: 0, time: Time::ZERO }; MOMENTS];
            self.for_each_group(first, part(spikes, k, parts), |group, own| {
                let (delay, run) = (self.table.delay_steps(group), self.table.run_of(group));
                for own in own.chunks(MOMENTS) {
                    let mut count = 0;
                    for (time, _) in own {
                        let step = clock.window.step_of(*time).saturating_add(delay);
                        if step < end {
                            now[count] = clock.moment(step);
                            count += 1;
                        } else if step < self.total_steps {
                            for (share, run) in self.cuts.runs(&self.table, group) {
                                later.0[share].push(Due { run, step });
                            }
                        }
                    }
                    if count > 0 {
                        self.fan_out(run, &now[..count], shape, share);
                    }
                }
            });
        });
    }

    /// Visits the groups of edges of emitters, counted from a `first` one, that have spiked, with these spikes.
    /// (In long windows an emitter fires several times, one after the other.)
    #[inline(always)]
    fn for_each_group<'s>(
        &self,
        first: u32,
        lists: impl Iterator<Item = &'s [Spike]>,
        mut visit: impl FnMut(u32, &'s [Spike]),
    ) {
        for spikes in lists {
            let mut at = 0;
            for own in spikes.chunk_by(|(_, a), (_, b)| a == b) {
                at += own.len();
                if let Some((_, soon)) = spikes.get(at + PREFETCH_EMITTERS) {
                    self.table.prefetch_groups((first + soon) as usize);
                }
                let emitter = (first + own[0].1) as usize;
                self.table.groups_of(emitter).for_each(|group| visit(group, own));
            }
        }
    }

    /// Routes the spikes of populations that have not been routed yet into the calendar: none arrives in the
    /// round in which it was fired.
    pub fn route_populations(
        &mut self,
        spikes: &mut WindowSpikes,
        round: &Window,
        inbox: &mut Inbox,
    ) {
        if self.is_taken_over {
            return;
        }
        for (index, spikes) in spikes.populations.iter_mut().enumerate() {
            let group = GroupId::Population(index);
            let spikes: Lists = spikes.take_unrouted().collect();
            self.route(group, &spikes, round, inbox, &|_| None);
        }
    }

    /// What says when something arrives in a round.
    fn clock(&self, window: &Window) -> Clock {
        let unit = self.step.map_or(1, |step| step.whole(self.dt));
        Clock { window: *window, unit }
    }

    /// Puts what is due in these steps, by any of the lists, into a share of the inbox.
    #[inline(always)]
    fn fan_out_all(
        &self,
        lists: &[&[Due]],
        steps: Range<u64>,
        window: &Window,
        shape: &Shape,
        share: &mut Share,
    ) {
        let clock = self.clock(window);
        let all = lists.iter().copied().flatten().filter(|due| steps.contains(&due.step));
        let line_shift = self.table.edges.line_shift();
        let lines = |run: EdgeRun| 1 + u64::from(run.len >> line_shift);
        // Lines that are fetched and not delivered yet.
        let (mut soon, mut fetched) = (all.clone(), 0);
        for &Due { run, step } in all {
            while fetched < PREFETCH
                && let Some(next) = soon.next()
            {
                self.table.prefetch(next.run, (PREFETCH as u32) << line_shift);
                fetched += lines(next.run);
            }
            fetched -= lines(run);
            self.fan_out(run, &[clock.moment(step)], shape, share);
        }
    }

    /// Puts what arrives by a run of edges at these moments into a share of the inbox.
    #[inline(always)]
    fn fan_out(&self, run: EdgeRun, moments: &[Moment], shape: &Shape, share: &mut Share) {
        if self.delivery != Delivery::Host {
            let EdgeRun { first, len } = run;
            let run_at =
                |&Moment { step, time }: &Moment| Run { first, len, step: step as u32, time };
            share.runs().extend(moments.iter().map(run_at));
        }
        if self.delivery != Delivery::Device {
            match &self.table.edges {
                &TableEdges::Alike(ref ports, weight) => {
                    // (With a copy of the weight, which stays in a register.)
                    let edge = move |port: &Port| TableEdge { port: *port, weight };
                    share.extend(shape, ports[run.places()].iter().map(edge), moments);
                }
                TableEdges::Weighted(edges) => {
                    share.extend(shape, edges[run.places()].iter().copied(), moments);
                }
            }
        }
    }
}

/// Calendar → inboxes, of the first round.
pub fn deliver(
    mut router: ResMut<Router>,
    window: Res<Window>,
    mut inbox: ResMut<Inbox>,
    backend: Res<CurrentBackend>,
) {
    for round in router.rounds(*window).take(1) {
        router.deliver(&round, &mut inbox, &|work| backend.0.pool(work));
    }
}

/// Spikes of sources → inboxes of the first round, and calendar.
pub fn route_sources(
    mut router: ResMut<Router>,
    window: Res<Window>,
    mut inbox: ResMut<Inbox>,
    spikes: Res<WindowSpikes>,
    backend: Res<CurrentBackend>,
) {
    let threads: Threads = &|work| backend.0.pool(work);
    for round in router.rounds(*window).take(1) {
        for (index, spikes) in spikes.sources.iter().enumerate() {
            let spikes: Lists = spikes.emitted().collect();
            router.route(GroupId::Source(index), &spikes, &round, &mut inbox, threads);
        }
    }
}

/// Spikes of populations in the last round → calendar.
pub fn route_populations(
    mut router: ResMut<Router>,
    window: Res<Window>,
    mut inbox: ResMut<Inbox>,
    mut spikes: ResMut<WindowSpikes>,
) {
    if let Some(round) = router.rounds(*window).last() {
        router.route_populations(&mut spikes, &round, &mut inbox);
    }
}

//! Through the short rounds of a network, all at once.

use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::Instant;

use smallvec::SmallVec;

use super::{Cpu, FEW_PIECES, LEAST_OF_A_PIECE, Output, Room, Task, work};
use crate::backend::{Advanced, Backend};
use crate::bank::{Bank, Neurons, Row, member};
use crate::network::calendar::{Fired, Published};
use crate::network::inbox::{Inbox, Share};
use crate::network::router::{NANOSECONDS_OF_A_PULSE, Router};
use crate::schedule::Window;
use crate::threads;

impl Cpu {
    /// See [`Backend::go_through`].
    pub(super) fn through_rounds(
        &self,
        banks: &mut [Bank],
        router: &mut Router,
        inbox: &mut Inbox,
        rounds: &[Window],
        out: &mut Advanced,
    ) -> usize {
        let full = rounds.iter().take_while(|round| round.steps == router.round_steps()).count();
        let Some(first) = rounds[..full].first() else { return 0 };
        // (The reference goes round by round, as all others are compared with it.)
        if self.reference {
            return 0;
        }
        let steps: u64 = banks.iter().map(|bank| work(bank, first)).sum();
        let all_stepped = banks.iter().all(|bank| matches!(bank.neurons, Neurons::Stepped(_)));
        // (Of more work a join is a small part, and several pieces for each thread even out their load.)
        let is_little = steps <= FEW_PIECES * LEAST_OF_A_PIECE * self.threads as u64;
        if !(all_stepped && is_little) {
            return 0;
        }
        // (For whether threads are worth it, the other rounds are taken to be like the first.)
        let work = steps + NANOSECONDS_OF_A_PULSE.saturating_mul(router.begin(first, inbox));
        if !inbox.is_shared_by_blocks() {
            return 0;
        }
        let pool = if self.is_worth_joins(work) { self.pool(work * full as u64) } else { None };
        let pool = pool.filter(|pool| !pool.is_held_up());
        if pool.is_some() && router.shares() < self.threads {
            return 0;
        }
        let pace = || self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = pool.map(|_| pace().turn(full));
        let rounds = &rounds[..turn.map_or(full, |turn| turn.rounds)];
        let pool = pool.filter(|_| turn.is_some_and(|turn| !turn.is_alone));
        let began = turn.filter(|turn| turn.counts).map(|_| Instant::now());
        let (shape, shares) = inbox.shares(router.shares());
        let count = shares.len();
        let (mut outputs, mut rooms) = self.outputs(count * banks.len(), count);
        let mut fired = router.begin_fired(rounds.len());
        let part =
            |((share, room), fired)| Part { share, banks: SmallVec::new(), room, fired, pulses: 0 };
        let parts = shares.into_iter().zip(&mut rooms).zip(&mut fired);
        let mut parts: SmallVec<[Part; 4]> = parts.map(part).collect();
        debug_assert_eq!(parts.len(), count);
        let mut tasks = SmallVec::<[Task; 2]>::new();
        let mut first_block = 0;
        let outputs_of_banks = outputs.chunks_mut(count);
        for ((index, bank), outputs) in banks.iter_mut().enumerate().zip(outputs_of_banks) {
            let blocks = first_block..first_block + bank.blocks();
            first_block = blocks.end;
            let task = self.task(index, bank, blocks.start, first);
            let Some((task, mut parameters, mut state)) = task else { continue };
            for (part, out) in parts.iter_mut().zip(outputs) {
                let own = part.share.blocks();
                let own = own.start.max(blocks.start)..own.end.min(blocks.end);
                if own.is_empty() {
                    continue;
                }
                let (own_parameters, rest) = parameters.split_at(own.len() * task.parameters);
                parameters = rest;
                let (own_state, rest) =
                    std::mem::take(&mut state).split_at_mut(own.len() * task.state);
                state = rest;
                part.banks.push(BankPiece {
                    task: tasks.len(),
                    first: own.start - blocks.start,
                    parameters: own_parameters,
                    state: own_state,
                    out,
                });
            }
            tasks.push(task);
        }
        let router_now = &*router;
        let pages: Vec<Vec<Published>> = (0..count)
            .map(|_| std::iter::repeat_with(Published::new).take(rounds.len()).collect())
            .collect();
        let begin = |k: usize, share: usize, part: &mut Part| {
            let (to, own) = ((share, &mut part.share), pages[share][k].get());
            part.pulses += router_now.begin_share(to, shape, &rounds[k], own);
        };
        let work = |k: usize, share: usize, part: &mut Part| {
            let round = &rounds[k];
            let others = pages.iter().enumerate().filter(|(other, _)| *other != share);
            let fired = others.filter_map(|(_, of_share)| of_share[k].get());
            let to = (share, &mut part.share);
            part.pulses += router_now.deliver_fired(to, shape, round, fired);
            let arrived = part.share.arrived(shape);
            let mut is_fault = false;
            for BankPiece { task, first, parameters, state, out } in &mut part.banks {
                let task = tasks[*task].in_round(round);
                let before = out.spikes.len();
                task.run(*first, arrived, parameters, state, part.room, out);
                let neurons = out.spikes[before..].iter().map(|(time, slot)| {
                    let member = member(task.members, *slot);
                    (router_now.first_neuron(member.population) + slot - member.first, *time)
                });
                router_now.fire(neurons, round, (k, rounds.len()), part.fired);
                is_fault |= out.fault.is_some();
            }
            if let Some(next) = pages[share].get(k + 1) {
                let _ = next.set(part.fired.take(k + 1));
            }
            if is_fault { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let done = threads::rounds(pool, rounds.len(), &mut parts, begin, work);
        let pulses: u64 = parts.iter().map(|part| part.pulses).sum();
        drop(parts);
        let all = out.spikes.len();
        for (index, outputs) in outputs.chunks_mut(count).take(all).enumerate() {
            outputs.iter_mut().for_each(|output| output.hand_over(index, out));
        }
        self.keep(outputs, rooms);
        let window = Window { steps: first.steps * done as u64, ..*first };
        router.end_fired(&window, inbox, fired, pages);
        if let Some(began) = began {
            let work = steps * done as u64 + NANOSECONDS_OF_A_PULSE * pulses;
            pace().took(began.elapsed().as_nanos() as f64 / work as f64);
        }
        done
    }
}

/// What a share of short rounds is gone through with. (In lines of the cache of its own, as the next one is another
/// thread's.)
#[repr(align(128))]
struct Part<'a> {
    share: Share<'a>,
    banks: SmallVec<[BankPiece<'a>; 2]>,
    room: &'a mut Room,
    fired: &'a mut Fired,
    /// That were delivered to it.
    pulses: u64,
}

/// The blocks of a bank that are a thread's.
struct BankPiece<'a> {
    /// Which task the bank is run with.
    task: usize,
    /// The first of them.
    first: usize,
    parameters: &'a [Row],
    state: &'a mut [Row],
    out: &'a mut Output,
}

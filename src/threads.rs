//! Work on several threads.
//!
//! The rounds of a network follow one another within microseconds, so what asking for work and joining costs
//! decides whether threads are worth it, and nobody may wait for a thread that has not begun: while another
//! program has its core, that takes milliseconds. A rayon scope waits for all threads, and takes 1.2 µs where
//! they are awake; this takes a third of that, and waits for those that take part. Where short rounds follow one another
//! without anything in between, threads are asked once for all of them (`rounds`). `.ci/miri` runs its tests under Miri.

use std::any::Any;
use std::io;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use smallvec::SmallVec;

/// So long a thread with nothing to do stays awake: to wake it would take a tenth of a millisecond, and the
/// next window of a network often wants it sooner than that. Meanwhile it gives way to all others.
const PATIENCE: Duration = Duration::from_micros(500);
/// Looks before it gives way.
const LOOKS: usize = 64;
/// Who waits for another thread that long, and longer than it worked itself, waits for one that has probably lost
/// its core to another program.
const HELD_UP: Duration = Duration::from_micros(100);
/// So many times as long little work is done without the others then, but no longer than that.
const TIMES_ALONE: u32 = 20;
const LONGEST_ALONE: Duration = Duration::from_millis(100);

/// Threads that work together: the one that asks for work, and others that wait for it.
pub struct Pool {
    shared: Arc<Shared>,
    /// All but the one that asks.
    others: Vec<JoinHandle<()>>,
    /// Held by who asks.
    asking: Mutex<()>,
    /// When it was started, and so many nanoseconds later the others are at hand again.
    started: Instant,
    alone_until: AtomicU64,
}

/// Work that each thread calls with its number.
type Work = &'static (dyn Fn(usize) + Sync);

/// A value in lines of the cache of its own: who looks at it all the time does not slow down who writes what lies beside
/// it. (Processors fetch lines of 64 bytes in pairs, and some have lines of 128.)
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

/// Things that are used again, each mostly by the thread that used it last. Another's may still lie in the cache of that
/// thread's core, from which fetching it takes longer than writing it anew. There are never more than were in use at once.
#[derive(Debug)]
pub(crate) struct Spare<T>(Mutex<Vec<(ThreadId, T)>>);

impl<T> Default for Spare<T> {
    fn default() -> Spare<T> {
        Spare(Mutex::default())
    }
}

impl<T> Spare<T> {
    /// One that nobody uses, if there is one: that which the calling thread used last, if possible.
    pub(crate) fn take(&self) -> Option<T> {
        let own = thread::current().id();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = all.iter().position(|(thread, _)| *thread == own).or(all.len().checked_sub(1))?;
        Some(all.swap_remove(at).1)
    }

    /// Nobody uses it any more.
    pub(crate) fn put(&self, used: T) {
        let own = thread::current().id();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((own, used));
    }
}

/// What the threads of a pool share.
#[derive(Default)]
struct Shared {
    desk: Mutex<Desk>,
    /// Rings when there is work, for those that sleep.
    bell: Condvar,
    /// How often work was asked for.
    asked: Apart<AtomicUsize>,
    /// Threads that have taken up the work at hand and are not done.
    working: Apart<AtomicUsize>,
    /// Threads that sleep.
    asleep: AtomicUsize,
    /// What a thread failed with.
    failure: Mutex<Option<Box<dyn Any + Send>>>,
}

#[derive(Default)]
struct Desk {
    /// What may be taken up.
    work: Option<Work>,
    /// The pool is gone.
    is_closed: bool,
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what lies on the desk, and tells all threads.
    fn announce(&self, change: impl FnOnce(&mut Desk)) {
        let mut desk = self.desk();
        change(&mut desk);
        self.asked.0.fetch_add(1, Ordering::Release);
        if self.asleep.load(Ordering::Relaxed) > 0 {
            self.bell.notify_all();
        }
    }

    /// What thread `number` does, until the pool is gone.
    fn serve(&self, number: usize) {
        let mut seen = 0;
        loop {
            wait_awake(|| self.asked.0.load(Ordering::Acquire) != seen);
            let mut desk = self.desk();
            while self.asked.0.load(Ordering::Relaxed) == seen {
                self.asleep.fetch_add(1, Ordering::Relaxed);
                desk = self.bell.wait(desk).unwrap_or_else(PoisonError::into_inner);
                self.asleep.fetch_sub(1, Ordering::Relaxed);
            }
            seen = self.asked.0.load(Ordering::Relaxed);
            if desk.is_closed {
                return;
            }
            let Some(work) = desk.work else { continue };
            self.working.0.fetch_add(1, Ordering::Relaxed);
            drop(desk);
            if let Err(failure) = catch_unwind(AssertUnwindSafe(|| work(number))) {
                *self.failure() = Some(failure);
            }
            self.working.0.fetch_sub(1, Ordering::Release);
        }
    }
}

/// Work that lies on the desk. When this is dropped nobody takes it up any more, and those that have are done.
struct Offer<'a> {
    pool: &'a Pool,
    /// Since when it lies there.
    began: Duration,
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        let (pool, shared) = (self.pool, &self.pool.shared);
        shared.desk().work = None;
        let is_done = || shared.working.0.load(Ordering::Acquire) == 0;
        // (To look at the clock costs as much as a short wait.)
        if looks_until(is_done) {
            return;
        }
        let done = pool.now();
        while !is_done() {
            wait_awake(is_done);
        }
        pool.waited(done, done - self.began);
    }
}

impl Pool {
    /// Starts threads, for so many with the one that asks: two at least.
    ///
    /// # Errors
    /// If the system lets no thread start.
    pub fn start(threads: usize) -> io::Result<Pool> {
        let mut pool = Pool {
            shared: Arc::default(),
            others: Vec::new(),
            asking: Mutex::default(),
            started: Instant::now(),
            alone_until: AtomicU64::new(0),
        };
        for number in 1..threads.max(2) {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new().name(format!("picoamp {number}"));
            pool.others.push(thread.spawn(move || shared.serve(number))?);
        }
        Ok(pool)
    }

    /// How many work together.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.others.len() + 1
    }

    /// Whether the others wait for work without having to be woken.
    #[must_use]
    pub fn is_awake(&self) -> bool {
        self.shared.asleep.load(Ordering::Relaxed) == 0
    }

    /// Whether one of the others was held up by another program a short while ago: little work is done sooner
    /// without them.
    #[must_use]
    pub fn is_held_up(&self) -> bool {
        let until = self.alone_until.load(Ordering::Relaxed);
        until > 0 && self.now().as_nanos() < until.into()
    }

    /// The one that asks has waited since then, and worked for so long before.
    fn waited(&self, since: Duration, worked: Duration) {
        let now = self.now();
        let waited = now - since;
        if waited > HELD_UP.max(worked) {
            let alone = (waited * TIMES_ALONE).min(LONGEST_ALONE);
            let until = u64::try_from((now + alone).as_nanos()).unwrap_or(u64::MAX);
            self.alone_until.store(until, Ordering::Relaxed);
        }
    }

    /// Since it was started.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Calls `work` here, as thread 0, and on those of the others that come while that lasts. (Who asks while
    /// others are at work already, is alone.)
    fn together(&self, work: &(dyn Fn(usize) + Sync)) {
        let _asking = match self.asking.try_lock() {
            Ok(asking) => asking,
            Err(TryLockError::Poisoned(asking)) => asking.into_inner(),
            Err(TryLockError::WouldBlock) => return work(0),
        };
        // SAFETY: A thread calls it only while it is counted in `working`, and is counted under the lock of
        // the desk while the work lies there. `Offer` takes it from the desk, then waits until none is counted,
        // before the borrow ends, also where `work(0)` fails.
        let lasting = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), Work>(work) };
        *self.shared.failure() = None;
        let offer = Offer { pool: self, began: self.now() };
        self.shared.announce(|desk| desk.work = Some(lasting));
        work(0);
        drop(offer);
        let failure = self.shared.failure().take();
        if let Some(failure) = failure {
            resume_unwind(failure);
        }
    }

    /// Calls `work` on each thread that comes, with the thread's number and a function that hands out pieces, each once
    /// and with its number. As far as threads are equally fast, a thread gets the same ones each time, because what they
    /// work on may still be in the cache of its core. A piece that nobody asks for is not done.
    fn hand_out<P: Send>(
        &self,
        pieces: impl Iterator<Item = P>,
        work: impl Fn(usize, &mut dyn FnMut() -> Option<(usize, P)>) + Sync,
    ) {
        let pieces: SmallVec<[Mutex<Option<P>>; 8]> =
            pieces.map(|piece| Mutex::new(Some(piece))).collect();
        let own = pieces.len().div_ceil(self.threads());
        self.together(&|thread| {
            let (own, others) = own_and_others(thread, own, pieces.len());
            let mut all = own.chain(others);
            // (Who holds the lock takes the piece, or has found it gone.)
            let take = |k: usize| pieces[k].try_lock().ok()?.take();
            work(thread, &mut || all.find_map(|k| Some((k, take(k)?))));
        });
    }

    /// Does pieces of work, each mostly on the same thread. The results are in the order of the pieces.
    pub fn map<P: Send, O: Send + Sync>(
        &self,
        pieces: Vec<P>,
        work: impl Fn(P) -> O + Sync,
    ) -> Vec<O> {
        let results: Vec<OnceLock<O>> = pieces.iter().map(|_| OnceLock::new()).collect();
        self.hand_out(pieces.into_iter(), |_, next| {
            while let Some((k, piece)) = next() {
                let _ = results[k].set(work(piece));
            }
        });
        results.into_iter().filter_map(OnceLock::into_inner).collect()
    }

    /// Calls `work` once on each thread that comes, with a function that hands out pieces, each mostly to the same
    /// thread, until there are no more: all are done if `work` asks for pieces until there is none. The results are of
    /// the threads that came, in their order.
    pub fn share<P: Send, O: Send + Sync>(
        &self,
        pieces: Vec<P>,
        work: impl Fn(&mut dyn FnMut() -> Option<P>) -> O + Sync,
    ) -> Vec<O> {
        let results: Vec<OnceLock<O>> = (0..self.threads()).map(|_| OnceLock::new()).collect();
        self.hand_out(pieces.into_iter(), |thread, next| {
            let _ = results[thread].set(work(&mut || next().map(|(_, piece)| piece)));
        });
        results.into_iter().filter_map(OnceLock::into_inner).collect()
    }
}

/// Calls `work` with each item and its index: on the threads of a pool, if there is one, each item mostly on the
/// same thread.
pub fn each<T: Send>(pool: Option<&Pool>, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
    let mut nothing = vec![(); pool.map_or(1, Pool::threads)];
    each_with(pool, &mut nothing, items, |(), k, item| work(k, item));
}

/// The same with what a thread has for itself: no more threads take part than there are such `owned`, of which there has
/// to be one.
pub(crate) fn each_with<S: Send, T: Send>(
    pool: Option<&Pool>,
    owned: &mut [S],
    items: &mut [T],
    work: impl Fn(&mut S, usize, &mut T) + Sync,
) {
    assert!(!owned.is_empty(), "nobody takes part");
    let Some(pool) = pool.filter(|_| owned.len() > 1 && items.len() > 1) else {
        let all = items.iter_mut().enumerate();
        return all.for_each(|(k, item)| work(&mut owned[0], k, item));
    };
    let owned: SmallVec<[Mutex<&mut S>; 8]> = owned.iter_mut().map(Mutex::new).collect();
    pool.hand_out(items.iter_mut(), |thread, next| {
        let Some(owned) = owned.get(thread) else { return };
        let owned = &mut owned.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((k, item)) = next() {
            work(owned, k, item);
        }
    });
}

/// Works on items in rounds that follow one another: in each on every item once, with the number of the round and the
/// item's index, each item mostly on the same thread. The result is how many rounds were done, of so many at most.
///
/// `begin` does what needs the item alone: perhaps while others are at work in the round before, and perhaps for one round
/// more. `work` needs all that was done in the round before, and says whether the rounds end with this one.
///
/// Threads are asked once for all rounds, and then wait for each other at the end of each; but nobody waits for one that
/// has not begun with an item.
pub(crate) fn rounds<T: Send>(
    pool: Option<&Pool>,
    most: usize,
    items: &mut [T],
    begin: impl Fn(usize, usize, &mut T) + Sync,
    work: impl Fn(usize, usize, &mut T) -> ControlFlow<()> + Sync,
) -> usize {
    let Some(pool) = pool.filter(|_| items.len() > 1) else {
        for round in 0..most {
            let mut is_last = false;
            for (k, item) in items.iter_mut().enumerate() {
                begin(round, k, item);
                is_last |= work(round, k, item).is_break();
            }
            if is_last {
                return round + 1;
            }
        }
        return most;
    };
    let all = items.len();
    let own = all.div_ceil(pool.threads());
    let in_rounds =
        |item| Apart(InRounds { done: AtomicUsize::new(0), item: Mutex::new((0, item)) });
    let items: SmallVec<[Apart<InRounds<T>>; 4]> = items.iter_mut().map(in_rounds).collect();
    // How often an item was worked on, and threads that have come.
    let (done, here) = (Apart(AtomicUsize::new(0)), Apart(AtomicUsize::new(0)));
    let end = AtomicUsize::new(most);
    // Begins with an item that is done with the round before, and holds it; nothing, if somebody else does, or has done it.
    let begin_with = |round, k: usize| {
        let of_item = || items[k].0.done.load(Ordering::Relaxed);
        // (Without the lock first: who only looks may not keep another from it.)
        let mut own = (of_item() == round).then(|| items[k].0.item.try_lock().ok()).flatten()?;
        if of_item() != round {
            return None;
        }
        let (begun, item) = &mut *own;
        if *begun == round {
            *begun += 1;
            begin(round, k, item);
        }
        Some(own)
    };
    let work_on = |round, k: usize| {
        let Some(mut own) = begin_with(round, k) else { return };
        if work(round, k, own.1).is_break() {
            end.store(round + 1, Ordering::Relaxed);
        }
        items[k].0.done.store(round + 1, Ordering::Relaxed);
        drop(own);
        done.0.fetch_add(1, Ordering::AcqRel);
    };
    pool.together(&|thread| {
        // (Others would wait for ever for one that failed.)
        let _failing = OnFailure(|| done.0.store(FAILED, Ordering::Release));
        let began = pool.now();
        here.0.fetch_add(1, Ordering::Relaxed);
        let are_all_here = || here.0.load(Ordering::Relaxed) == pool.threads();
        let mut round = done.0.load(Ordering::Acquire) / all;
        while round < end.load(Ordering::Relaxed) {
            let is_done = || done.0.load(Ordering::Acquire) >= all * (round + 1);
            let (own, others) = own_and_others(thread, own, all);
            own.clone().for_each(|k| work_on(round, k));
            if !is_done() && round + 1 < end.load(Ordering::Relaxed) {
                own.clone().for_each(|k| drop(begin_with(round + 1, k)));
            }
            // (To look at an item takes time of the one that is about to begin with it.)
            if !(are_all_here() && looks_until(is_done)) {
                others.chain(own).for_each(|k| work_on(round, k));
                let since = pool.now();
                while !is_done() {
                    wait_awake(is_done);
                    if thread == 0 {
                        // (About as long as a round took so far.)
                        pool.waited(since, (since - began) / (round as u32 + 1));
                    }
                }
            }
            if done.0.load(Ordering::Relaxed) >= FAILED {
                return;
            }
            round += 1;
        }
    });
    end.into_inner()
}

/// An item in rounds.
struct InRounds<'t, T> {
    /// Rounds in which it was worked on. It changes under the lock.
    done: AtomicUsize,
    /// Those that were begun with it, and the item.
    item: Mutex<(usize, &'t mut T)>,
}

/// As often as items are worked on where a thread has failed.
const FAILED: usize = usize::MAX / 2;

/// The numbers of all pieces, of which each thread has so many of its own: those, and the others from their end.
fn own_and_others(
    thread: usize,
    own: usize,
    all: usize,
) -> (Range<usize>, impl Iterator<Item = usize>) {
    let first = (thread * own).min(all);
    let after = (first + own).min(all);
    (first..after, (after..all).rev().chain((0..first).rev()))
}

/// Does something where a thread fails.
struct OnFailure<F: Fn()>(F);

impl<F: Fn()> Drop for OnFailure<F> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.announce(|desk| desk.is_closed = true);
        for thread in self.others.drain(..) {
            // (What it failed with was told to who asked.)
            let _ = thread.join();
        }
    }
}

/// Looks a few times whether something is there.
fn looks_until(is_there: impl Fn() -> bool) -> bool {
    (0..LOOKS).any(|_| {
        let is_there = is_there();
        if !is_there {
            std::hint::spin_loop();
        }
        is_there
    })
}

/// Waits for something, but not for ever.
fn wait_awake(is_there: impl Fn() -> bool) {
    if looks_until(&is_there) {
        return;
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        thread::yield_now();
        if looks_until(&is_there) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn each_piece_is_done_once_and_results_keep_their_order() {
        for threads in 2..=4 {
            let pool = Pool::start(threads).unwrap();
            assert_eq!(pool.threads(), threads);
            for pieces in 0..10_u32 {
                let results = pool.map((0..pieces).collect(), |piece| piece * piece);
                assert_eq!(results, (0..pieces).map(|piece| piece * piece).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_thread_gets_what_it_used_last() {
        let spare = Spare::default();
        assert_eq!(spare.take(), None);
        spare.put("one");
        thread::scope(|scope| {
            let other = scope.spawn(|| {
                spare.put("other");
                let own = spare.take();
                own.into_iter().for_each(|own| spare.put(own));
                own
            });
            assert_eq!(other.join().unwrap(), Some("other"));
        });
        // Not the one that was put back last; and that of another thread rather than none.
        assert_eq!([spare.take(), spare.take(), spare.take()], [Some("one"), Some("other"), None]);
    }

    /// Who is done with its own pieces is handed those of another that has not begun them, from their end.
    #[test]
    fn pieces_are_handed_to_who_asks() {
        let pool = Pool::start(2).unwrap();
        let both = Barrier::new(2);
        let shares = pool.share((0..8).collect(), |next| {
            let first = next();
            both.wait();
            if first == Some(4) {
                // It is busy with it, until the other has had all that is left.
                both.wait();
            }
            let all: Vec<i32> = first.into_iter().chain(std::iter::from_fn(next)).collect();
            if first == Some(0) {
                both.wait();
            }
            all
        });
        assert_eq!(shares, [vec![0, 1, 2, 3, 7, 6, 5], vec![4]]);
    }

    /// Where all threads are busy with their own pieces, none takes another's.
    #[test]
    fn pieces_stay_with_their_thread() {
        let pool = Pool::start(2).unwrap();
        let both = Barrier::new(2);
        let of = |()| {
            both.wait();
            thread::current().id()
        };
        let first = pool.map(vec![(); 4], of);
        let [here, other] = [first[0], first[2]];
        assert!(here == thread::current().id() && other != here);
        for _ in 0..20 {
            assert_eq!(pool.map(vec![(); 4], of), [here, here, other, other]);
        }
    }

    /// Each piece is done once, also those of threads that take no part, because nothing is theirs.
    #[test]
    fn each_thread_has_something_of_its_own() {
        let pool = Pool::start(3).unwrap();
        for threads in 1..=3 {
            let mut owned = vec![Vec::new(); threads];
            let mut items = [0; 9];
            let both = Barrier::new(2);
            each_with(Some(&pool), &mut owned, &mut items, |own, k, item| {
                if threads == 2 && own.is_empty() {
                    both.wait();
                }
                own.push(k);
                *item += 1;
            });
            assert_eq!(items, [1; 9]);
            if threads == 2 {
                assert!(owned.iter().all(|own| !own.is_empty()), "{owned:?}");
            }
            let mut all = owned.concat();
            all.sort_unstable();
            assert_eq!(all, (0..9).collect::<Vec<_>>());
        }
    }

    /// In each round every item is worked on once, and sees what all have done in the one before; also where one is slow,
    /// and where rounds end early.
    #[test]
    fn rounds_follow_one_another() {
        let pool = Pool::start(3).unwrap();
        let most = if cfg!(miri) { 20 } else { 2000 };
        for (pool, last) in [(Some(&pool), most), (Some(&pool), 7), (None, most), (None, 7)] {
            let sums: [AtomicUsize; 5] = Default::default();
            let mut items = [(0, 0); 5];
            let begin = |round, _, (begun, done): &mut (usize, usize)| {
                assert_eq!((*begun, *done), (round, round));
                *begun += 1;
            };
            let work = |round, k: usize, (begun, done): &mut (usize, usize)| {
                // Each has been worked on as often as there were rounds; in this one perhaps already.
                let all = sums.iter().map(|sum| sum.load(Ordering::Relaxed));
                assert!(all.clone().all(|sum| sum == round || sum == round + 1), "{round}");
                assert_eq!((*begun, *done), (round + 1, round));
                *done += 1;
                if round % 64 == k {
                    thread::yield_now();
                }
                sums[k].fetch_add(1, Ordering::Relaxed);
                if round + 1 == last && k == 3 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            assert_eq!(rounds(pool, most, &mut items, begin, work), last);
            assert!(items.iter().all(|(begun, done)| *done == last && *begun <= last + 1));
        }
    }

    /// Rounds that nobody else comes to are done by the one that asks; and one that fails ends them all.
    #[test]
    fn rounds_alone_and_rounds_that_fail() {
        let pool = Pool::start(2).unwrap();
        pool.map(vec![(); 2], |()| {
            let mut items = [0; 3];
            let work = |_, _, item: &mut i32| {
                *item += 1;
                ControlFlow::Continue(())
            };
            let begin = |_, _, _: &mut i32| {};
            assert_eq!((rounds(Some(&pool), 9, &mut items, begin, work), items), (9, [9; 3]));
        });
        for fails_at_once in [true, false] {
            let fails = |round| assert!(round < 4, "an item that fails");
            let begin = |round, k, (): &mut ()| {
                if k == 1 && fails_at_once {
                    fails(round);
                }
            };
            let work = |round, k, (): &mut ()| {
                if k == 1 {
                    fails(round);
                }
                ControlFlow::Continue(())
            };
            let fails = AssertUnwindSafe(|| rounds(Some(&pool), 9, &mut [(); 2], begin, work));
            assert!(catch_unwind(fails).is_err());
            assert_eq!(pool.map(vec![1, 2], |k| k), [1, 2]);
        }
    }

    /// Those that work read what the one that asks has written, and the other way round.
    #[test]
    fn many_short_rounds() {
        let pool = Pool::start(3).unwrap();
        let mut numbers = [0; 7];
        for round in 0..if cfg!(miri) { 50 } else { 5000 } {
            let expected = [round; 7];
            assert_eq!(numbers, expected);
            each(Some(&pool), &mut numbers, |_, number| *number += 1);
        }
    }

    /// A thread that sleeps is woken, and one that asks from within has its work done too.
    #[test]
    fn threads_that_sleep_are_woken() {
        let pool = Pool::start(2).unwrap();
        while pool.is_awake() {
            thread::yield_now();
        }
        let both = Barrier::new(2);
        let sums = pool.map(vec![1, 2], |n| {
            both.wait();
            pool.map(vec![n, n], |n| n).iter().sum::<i32>()
        });
        assert_eq!(sums, [2, 4]);
    }

    #[test]
    #[should_panic(expected = "a piece that fails")]
    fn a_panic_comes_through() {
        Pool::start(2).unwrap().map(vec![(); 3], |()| panic!("a piece that fails"));
    }

    /// A thread that fails is not waited for, and the next work is done.
    #[test]
    fn it_works_on_after_a_panic() {
        let pool = Pool::start(2).unwrap();
        let fails = |fails: bool| assert!(!fails, "a piece that fails");
        let work = AssertUnwindSafe(|| pool.map(vec![false, true], fails));
        assert!(catch_unwind(work).is_err());
        assert_eq!(pool.map(vec![1, 2, 3], |k| k + 1), [2, 3, 4]);
    }
}

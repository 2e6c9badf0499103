//! Work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// So long a thread with nothing to do stays awake: to wake it would take a tenth of a millisecond, and the
/// next window of a network often wants it sooner than that. Meanwhile it gives way to all others.
const PATIENCE: Duration = Duration::from_micros(500);
/// Looks before it gives way.
const LOOKS: usize = 64;

/// Threads that work together: the one that asks for work, and others that wait for it.
pub struct Pool {
    /// All but the one that asks.
    others: ThreadPool,
    /// How often work was asked for.
    asked: Arc<AtomicUsize>,
}

impl Pool {
    /// Starts threads, for so many with the one that asks: two at least.
    ///
    /// # Errors
    /// If the system lets no thread start.
    pub fn start(threads: usize) -> Result<Pool, ThreadPoolBuildError> {
        // (None would be as many as there are cores.)
        let others = ThreadPoolBuilder::new().num_threads(threads.saturating_sub(1).max(1));
        Ok(Pool { others: others.build()?, asked: Arc::default() })
    }

    /// How many work together.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.others.current_num_threads() + 1
    }

    /// Does pieces of work, as far as threads are equally fast each time the same ones on the same thread: what a
    /// piece works on may still be in the cache of its core. The results are in the order of the pieces.
    pub fn map<P: Send, O: Send + Sync>(
        &self,
        pieces: Vec<P>,
        work: impl Fn(P) -> O + Sync,
    ) -> Vec<O> {
        let own = pieces.len().div_ceil(self.threads());
        let results: Vec<OnceLock<O>> = pieces.iter().map(|_| OnceLock::new()).collect();
        let pieces: Vec<_> = pieces.into_iter().map(|piece| Mutex::new(Some(piece))).collect();
        let work_as = |thread: usize| {
            // Its own ones first, then what others have not begun, from their end.
            let first = (thread * own).min(pieces.len());
            let after = (first + own).min(pieces.len());
            let others = (after..pieces.len()).rev().chain((0..first).rev());
            for k in (first..after).chain(others) {
                let piece = pieces[k].lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(piece) = piece {
                    let _ = results[k].set(work(piece));
                }
            }
        };
        let working = AtomicUsize::new(self.others.current_num_threads());
        self.others.in_place_scope(|scope| {
            scope.spawn_broadcast(|_, context| {
                let _ends = Ends(&working);
                work_as(context.index() + 1);
            });
            self.asked.fetch_add(1, Ordering::Release);
            work_as(0);
            wait_awake(|| working.load(Ordering::Acquire) == 0);
        });
        self.keep_awake();
        results.into_iter().filter_map(OnceLock::into_inner).collect()
    }

    /// Calls `work` with each item and its index.
    pub fn each<T: Send>(&self, items: &mut [T], work: impl Fn(usize, &mut T) + Sync) {
        let items = items.iter_mut().enumerate().collect();
        self.map(items, |(k, item)| work(k, item));
    }

    /// Has the others stay awake for a while, unless they are asked for more.
    fn keep_awake(&self) {
        let (asked, until_now) = (self.asked.clone(), self.asked.load(Ordering::Relaxed));
        self.others.spawn_broadcast(move |_| {
            wait_awake(|| asked.load(Ordering::Acquire) != until_now);
        });
    }
}

/// A thread that no longer works, even if it fails.
struct Ends<'a>(&'a AtomicUsize);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// Waits for something, but not for ever.
fn wait_awake(is_there: impl Fn() -> bool) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        for _ in 0..LOOKS {
            if is_there() {
                return;
            }
            std::hint::spin_loop();
        }
        thread::yield_now();
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
        let work = std::panic::AssertUnwindSafe(|| pool.map(vec![false, true], fails));
        assert!(std::panic::catch_unwind(work).is_err());
        assert_eq!(pool.map(vec![1, 2, 3], |k| k + 1), [2, 3, 4]);
    }
}

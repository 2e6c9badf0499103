//! Work on the threads of a pool.

use std::sync::{Mutex, OnceLock, PoisonError};

/// Does pieces of work, as far as threads are equally fast each time the same ones on the same thread: what a
/// piece works on may still be in the cache of its core. The results are in the order of the pieces.
pub(crate) fn on_their_own<P: Send, O: Send + Sync>(
    pool: &rayon::ThreadPool,
    pieces: Vec<P>,
    work: impl Fn(P) -> O + Sync,
) -> Vec<O> {
    let own = pieces.len().div_ceil(pool.current_num_threads());
    let results: Vec<OnceLock<O>> = pieces.iter().map(|_| OnceLock::new()).collect();
    let pieces: Vec<_> = pieces.into_iter().map(|piece| Mutex::new(Some(piece))).collect();
    pool.broadcast(|context| {
        // Its own ones first, then what others have not begun, from their end.
        let first = (context.index() * own).min(pieces.len());
        let after = (first + own).min(pieces.len());
        let others = (after..pieces.len()).rev().chain((0..first).rev());
        for k in (first..after).chain(others) {
            let piece = pieces[k].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(piece) = piece {
                let _ = results[k].set(work(piece));
            }
        }
    });
    results.into_iter().filter_map(OnceLock::into_inner).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn each_piece_is_done_once_and_results_keep_their_order() {
        for threads in 1..=4 {
            let pool = pool(threads);
            for pieces in 0..10_u32 {
                let results = on_their_own(&pool, (0..pieces).collect(), |piece| piece * piece);
                assert_eq!(results, (0..pieces).map(|piece| piece * piece).collect::<Vec<_>>());
            }
        }
    }

    /// Where all threads are busy with their own pieces, none takes another's.
    #[test]
    fn pieces_stay_with_their_thread() {
        let pool = pool(2);
        let both = Barrier::new(2);
        let of = |_| {
            both.wait();
            rayon::current_thread_index()
        };
        for _ in 0..20 {
            assert_eq!(on_their_own(&pool, vec![(); 4], of), [0, 0, 1, 1].map(Some));
        }
    }

    #[test]
    #[should_panic(expected = "a piece that fails")]
    fn a_panic_comes_through() {
        on_their_own(&pool(2), vec![(); 3], |()| panic!("a piece that fails"));
    }
}

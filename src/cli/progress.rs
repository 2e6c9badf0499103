//! How far a run is: a bar on a terminal, plain lines elsewhere.

use super::messages::say;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::simulation::Progress as State;
use crate::sweep;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows the progress of a run on stderr.
pub struct Progress {
    display: Display,
    began: Instant,
}

enum Display {
    None,
    Bar(ProgressBar),
    /// Plain lines; when the next one is due.
    Lines(Duration),
}

/// Runs shorter than this need no bar.
const DELAY: Duration = Duration::from_millis(200);
/// Between two plain lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

impl Progress {
    /// Nothing is shown before the first call of [`Progress::show`].
    pub fn new(quiet: bool) -> Progress {
        let display = if quiet {
            Display::None
        } else if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            let template = "{wide_bar} {percent:>3} %  {msg}  ETA {eta}";
            bar.set_style(
                ProgressStyle::with_template(template)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            Display::Bar(bar)
        } else {
            Display::Lines(LINE_INTERVAL)
        };
        Progress { display, began: Instant::now() }
    }

    /// Shows a state.
    pub fn show(&mut self, state: &State) {
        let elapsed = self.began.elapsed();
        let real_time = state.time.seconds() / elapsed.as_secs_f64();
        let (time, duration) = (state.time.picoseconds(), state.duration.picoseconds());
        self.update(0, time, duration, || {
            format!(
                "{:.3} of {} s  {real_time:.3}× real time  {} spikes",
                state.time.seconds(),
                state.duration,
                state.spikes
            )
        });
    }

    /// Shows how far a sweep is that went on with `first` points done.
    pub fn points(&mut self, first: usize, state: &sweep::Progress) {
        /// Parts of a point.
        const PARTS: f64 = 1e3;
        let [first, reached, points] =
            [first as f64, state.reached, state.points as f64].map(|n| (n * PARTS) as u64);
        self.update(first, reached, points, || {
            let failed = match state.failed {
                0 => String::new(),
                failed => format!("  {failed} failed"),
            };
            format!("{} of {} points{failed}", state.done, state.points)
        });
    }

    /// Shows that `done` of `all` are done, of which `first` were at the start.
    fn update(&mut self, first: u64, done: u64, all: u64, message: impl Fn() -> String) {
        let elapsed = self.began.elapsed();
        match &mut self.display {
            Display::None => {}
            Display::Bar(bar) => {
                if elapsed > DELAY {
                    if bar.length().is_none() {
                        bar.set_length(all);
                        bar.set_position(first);
                        bar.reset_eta();
                    }
                    bar.set_position(done);
                    bar.set_message(message());
                }
            }
            Display::Lines(due) => {
                if elapsed >= *due {
                    let rate = done.saturating_sub(first) as f64 / elapsed.as_secs_f64();
                    let left = all.saturating_sub(done) as f64 / rate;
                    let left =
                        if left.is_finite() { format!("{left:.0} s") } else { "unknown".into() };
                    say!("{}  ETA {left}", message());
                    *due = elapsed + LINE_INTERVAL;
                }
            }
        }
    }

    /// Removes the bar.
    pub fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

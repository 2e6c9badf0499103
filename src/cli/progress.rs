//! How far a run is: a bar on a terminal, plain lines elsewhere.

use super::messages::say;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::simulation::Progress as State;
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
        let message = || {
            format!(
                "{:.3} of {} s  {real_time:.3}× real time  {} spikes",
                state.time.seconds(),
                state.duration,
                state.spikes
            )
        };
        match &mut self.display {
            Display::None => {}
            Display::Bar(bar) => {
                if elapsed > DELAY {
                    bar.set_length(state.duration.picoseconds());
                    bar.set_position(state.time.picoseconds());
                    bar.set_message(message());
                }
            }
            Display::Lines(due) => {
                if elapsed >= *due {
                    let left = elapsed.as_secs_f64()
                        * (state.duration.seconds() / state.time.seconds() - 1.0);
                    say!("{}  ETA {left:.0} s", message());
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

//! A progress bar on stderr, for people who watch; and log lines that do not tear it.
//!
//! The bar shows only where stderr is a terminal. Whatever else writes to stderr while it shows
//! does so through [`Progress::suspend`] or a [`LogWriter`].

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::models::ModelId;
use crate::outcome::{Outcome, Settled};

/// How often the elapsed time moves on while no frame comes.
const TICK: Duration = Duration::from_millis(200);

/// The terminal's place for a progress bar; clones share it.
#[derive(Clone, Debug)]
pub struct Progress {
    bars: MultiProgress,
    /// Frames that will come, once that is known.
    total: Arc<OnceLock<u64>>,
}

impl Progress {
    /// Shows on stderr if that is a terminal.
    pub fn on_stderr() -> Self {
        Self::on(ProgressDrawTarget::stderr())
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self::on(ProgressDrawTarget::hidden())
    }

    /// Notes how many frames will come.
    pub fn expect(&self, frames: u64) {
        // The first word counts; there is one run to a process.
        let _ = self.total.set(frames);
    }

    /// Takes the bar away, calls `write`, and puts the bar back.
    pub fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bars.suspend(write)
    }

    /// Shows a bar of the caller's in this place.
    pub fn bar(&self, bar: ProgressBar) -> ProgressBar {
        self.bars.add(bar)
    }

    /// A writer to `inner` (stderr, for a logger) that takes the bar away while it writes.
    pub fn log_writer<W: Write>(&self, inner: W) -> LogWriter<W> {
        LogWriter { progress: self.clone(), inner }
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self { bars: MultiProgress::with_draw_target(target), total: Arc::default() }
    }

    /// Puts up the bar of a run.
    pub(super) fn start(&self) -> RunBar {
        let bar = if self.bars.is_hidden() {
            ProgressBar::hidden()
        } else {
            let bar = ProgressBar::no_length().with_style(style(WITHOUT_TOTAL));
            let bar = self.bars.add(bar);
            bar.enable_steady_tick(TICK);
            bar
        };
        let total = Arc::clone(&self.total);
        let run = RunBar { bar, total, frames_by_model: BTreeMap::new() };
        run.learn_total();
        run
    }
}

const WITH_TOTAL: &str = "{elapsed_precise} {wide_bar} {pos}/{len}  {per_sec}  {msg}";
const WITHOUT_TOTAL: &str = "{elapsed_precise} {spinner} {pos} frames  {per_sec}  {msg}";

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}

/// The bar of one run.
pub(super) struct RunBar {
    bar: ProgressBar,
    total: Arc<OnceLock<u64>>,
    frames_by_model: BTreeMap<ModelId, u64>,
}

impl RunBar {
    /// Moves on by one frame.
    pub(super) fn advance(&mut self, settled: &Settled) {
        if self.bar.is_hidden() {
            return;
        }
        self.learn_total();
        if let Outcome::Classified(answer) = &settled.outcome {
            *self.frames_by_model.entry(answer.model.clone()).or_default() += 1;
            self.bar.set_message(shares(&self.frames_by_model));
        }
        self.bar.inc(1);
    }

    fn learn_total(&self) {
        if let (None, Some(total)) = (self.bar.length(), self.total.get()) {
            self.bar.set_style(style(WITH_TOTAL));
            self.bar.set_length(*total);
        }
    }

    /// Takes the bar away for good.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Each model's share of the classified frames, in words.
fn shares(frames_by_model: &BTreeMap<ModelId, u64>) -> String {
    let all = frames_by_model.values().sum::<u64>().max(1) as f64;
    let share = |(model, frames): (&ModelId, &u64)| {
        format!("{model} {:.0} %", *frames as f64 / all * 100.0)
    };
    frames_by_model.iter().map(share).collect::<Vec<_>>().join(", ")
}

/// A writer that takes the progress bar away while it writes.
#[derive(Debug)]
pub struct LogWriter<W> {
    progress: Progress,
    inner: W,
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = &mut self.inner;
        // A line in several pieces would have the bar redrawn between them.
        self.progress.suspend(|| inner.write_all(bytes)).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Records what happens to a terminal.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<Vec<String>>>);

    impl Screen {
        fn note(&self, event: impl Into<String>) -> io::Result<()> {
            self.0.lock().unwrap().push(event.into());
            Ok(())
        }
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.note(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.note(text)
        }
        fn clear_line(&self) -> io::Result<()> {
            self.note("<clear>")
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.note(String::from_utf8_lossy(bytes)).map(|()| bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_log_line_takes_the_bar_away_first_and_the_bar_comes_back() {
        let screen = Screen::default();
        let progress = Progress::on(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        progress.expect(7);
        let bar = progress.start();
        bar.bar.disable_steady_tick();
        bar.bar.force_draw();
        screen.0.lock().unwrap().clear();
        progress.log_writer(screen.clone()).write_all(b"camera lost\n").unwrap();
        let events = screen.0.lock().unwrap().clone();
        let logged = events.iter().position(|event| event == "camera lost\n").unwrap();
        assert!(events[..logged].contains(&"<clear>".to_owned()), "{events:?}");
        assert!(events[logged..].iter().any(|event| event.contains("0/7")), "{events:?}");
    }

    #[test]
    fn shares_are_of_the_classified_frames() {
        let id = |name| ModelId::new(name).unwrap();
        let frames = BTreeMap::from([(id("big"), 1), (id("small"), 3)]);
        assert_eq!(shares(&frames), "big 25 %, small 75 %");
        assert_eq!(shares(&BTreeMap::new()), "");
    }
}

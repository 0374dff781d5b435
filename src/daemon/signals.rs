//! Signals, and what they ask for.
//!
//! SIGINT is heard through `ctrlc`; the others through `signal-hook`, which tells them apart.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded, select};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

/// What a service hears.
pub struct ServiceSignals {
    /// SIGINT and SIGTERM. The second one ends the process at once.
    pub stop: Receiver<()>,
    /// SIGHUP. Several that nobody has taken yet are one.
    pub reload: Receiver<()>,
}

/// Hears SIGINT, SIGTERM and SIGHUP, each of which ends the run. The second one ends the process at once.
pub fn signals() -> anyhow::Result<Receiver<()>> {
    let (stop, stops) = bounded(1);
    hear(stop, None)?;
    Ok(stops)
}

/// The same for a service, which SIGHUP asks to reload.
pub fn service_signals() -> anyhow::Result<ServiceSignals> {
    let ((stop, stops), (reload, reloads)) = (bounded(1), bounded(1));
    hear(stop, Some(reload))?;
    Ok(ServiceSignals { stop: stops, reload: reloads })
}

/// Hears signals until the process ends. Without `reload` SIGHUP stops, too.
fn hear(stop: Sender<()>, reload: Option<Sender<()>>) -> anyhow::Result<()> {
    let fault = "cannot listen for signals";
    let stopping = Arc::new(Stopping { asked: AtomicBool::new(false), stop });
    let interrupted = Arc::clone(&stopping);
    ctrlc::set_handler(move || interrupted.ask()).context(fault)?;
    let mut signals = Signals::new([SIGTERM, SIGHUP]).context(fault)?;
    let listen = move || {
        for signal in signals.forever() {
            match &reload {
                // If it is full, a reload will begin that the signal is in time for.
                Some(reload) if signal == SIGHUP => drop(reload.try_send(())),
                Some(_) | None => stopping.ask(),
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).context(fault)?;
    Ok(())
}

/// Does what may take long, and no frame waits for, on another thread. If it is to stop before that is done,
/// it takes leave by `end`, and the process is over at once: nothing can stop ONNX Runtime as it loads a
/// model or builds an engine.
pub fn unless_stopped<T: Send>(
    stop: &Receiver<()>,
    work: impl FnOnce() -> T + Send,
    end: impl FnOnce(),
) -> T {
    thread::scope(|scope| {
        let (tell, done) = bounded(1);
        let worker = scope.spawn(move || {
            let result = work();
            // Main waits for it.
            let _ = tell.send(());
            result
        });
        select! {
            // It is done, or has panicked.
            recv(done) -> _ => worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
            recv(stop) -> _ => {
                end();
                signal_hook::low_level::exit(0)
            }
        }
    })
}

struct Stopping {
    asked: AtomicBool,
    stop: Sender<()>,
}

impl Stopping {
    /// Stops; the second time, or if nobody listens, at once.
    fn ask(&self) {
        if self.asked.swap(true, Ordering::Relaxed) || self.stop.send(()).is_err() {
            // Without exit handlers: ONNX Runtime's would take apart what its runs still use.
            signal_hook::low_level::exit(130);
        }
    }
}

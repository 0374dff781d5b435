//! Signals, and what they ask for.

use std::thread;

use anyhow::Context;
use crossbeam_channel::{Receiver, Sender, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
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
    let (stop, signals) = bounded(1);
    hear(move |_| Some(stop.clone()))?;
    Ok(signals)
}

/// The same for a service, which SIGHUP asks to reload.
pub fn service_signals() -> anyhow::Result<ServiceSignals> {
    let ((stop, stops), (reload, reloads)) = (bounded(1), bounded(1));
    hear(move |signal| match signal {
        SIGHUP => {
            // If it is full, a reload will begin that the signal is in time for.
            let _ = reload.try_send(());
            None
        }
        _ => Some(stop.clone()),
    })?;
    Ok(ServiceSignals { stop: stops, reload: reloads })
}

/// Has `meant` say of each signal what it stops, if it does.
fn hear(mut meant: impl FnMut(i32) -> Option<Sender<()>> + Send + 'static) -> anyhow::Result<()> {
    let fault = "cannot listen for signals";
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context(fault)?;
    let mut asked = false;
    let listen = move || {
        for signal in signals.forever() {
            let Some(stop) = meant(signal) else { continue };
            if asked || stop.send(()).is_err() {
                // Without exit handlers: ONNX Runtime's would take apart what its runs still use.
                signal_hook::low_level::exit(130);
            }
            asked = true;
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(listen).context(fault)?;
    Ok(())
}

//! Opens what operators connect to: the status socket, and the address of the metrics.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use super::socket::{SocketError, StatusSocket};
use super::{Operations, http, serve};
use crate::clock::Clock;
use crate::outcome::in_words;

/// Where metrics are, unless the configuration says: for this machine alone.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464));

/// Why operators would not be answered.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// There is no status socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The address of the metrics cannot be had.
    #[error(
        "cannot listen on {address} for metrics: choose another address ([metrics] listen in the \
         configuration), or stop what has this one"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("cannot start the threads that answer operators")]
    Thread(#[source] io::Error),
}

/// What operators connect to. Dropped, the status socket is gone.
pub struct Endpoints {
    _socket: Option<StatusSocket>,
}

impl Endpoints {
    /// Opens the status socket, at a path that was named or in the default place, and the address of the
    /// metrics, if there is to be one. Operators are answered from now on.
    ///
    /// Without a default place that this user may write to there is no socket, which is a warning.
    pub fn open(
        socket: Option<&Path>,
        metrics: Option<SocketAddr>,
        operations: &Arc<Operations>,
        clock: Clock,
    ) -> Result<Self, EndpointError> {
        let socket = match socket {
            Some(path) => Some(StatusSocket::bind(path)?),
            None => bind_default()?,
        };
        if let Some(socket) = &socket {
            answer_status(socket, operations, clock).map_err(EndpointError::Thread)?;
        }
        if let Some(address) = metrics {
            answer_scrapes(address, operations, clock)?;
        }
        Ok(Self { _socket: socket })
    }
}

fn bind_default() -> Result<Option<StatusSocket>, SocketError> {
    match StatusSocket::bind_default() {
        Ok(socket) => Ok(Some(socket)),
        Err(error @ (SocketError::Taken { .. } | SocketError::NoSocket { .. })) => Err(error),
        Err(error @ SocketError::Refused { .. }) => {
            log::warn!("`classifyd status` will not work: {}", in_words(&error));
            Ok(None)
        }
    }
}

fn answer_status(
    socket: &StatusSocket,
    operations: &Arc<Operations>,
    clock: Clock,
) -> io::Result<()> {
    let operations = Arc::clone(operations);
    let answer = move |mut connection: serve::Limited<_>| {
        let document = serde_json::to_string(&operations.status())? + "\n";
        connection.write_all(document.as_bytes())
    };
    serve::start("status", &socket.listener, answer, clock)?;
    log::info!("status at {}", socket.path().display());
    Ok(())
}

fn answer_scrapes(
    address: SocketAddr,
    operations: &Arc<Operations>,
    clock: Clock,
) -> Result<(), EndpointError> {
    let refused = |source| EndpointError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let actual = listener.local_addr().map_err(refused)?;
    let operations = Arc::clone(operations);
    let answer = move |connection: serve::Limited<_>| http::answer(connection, &operations);
    serve::start("metrics", &listener, answer, clock).map_err(EndpointError::Thread)?;
    log::info!("metrics at http://{actual}/metrics");
    Ok(())
}

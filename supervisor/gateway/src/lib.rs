//! *gateway*: the process that talks to plant systems. It owns nothing: it asks `tactus run` for records over a local socket, hands them
//! to the sinks, and says what they confirmed. It may be killed, stopped, or run out of memory at any time: nothing is lost by it.
//!
//! - [`confine`]: what it may do, given away before anything is read from anywhere.
//! - [`owner`]: the socket to the owner of the queue.
//! - [`nats`]: NATS JetStream, every record there exactly once.
//! - [`mqtt`]: an edge node of Sparkplug B 3.0 over MQTT 3.1.1.
#![forbid(unsafe_code)]

pub mod confine;
pub mod mqtt;
pub mod nats;
pub mod owner;
mod tls;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use queue::wire::{SinkSpec, SinkState};

use owner::Owner;

/// Environment variable in which the owner of the queue says where its socket is.
pub const SOCKET_VARIABLE: &str = "TACTUS_GATEWAY_SOCKET";

/// How it runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Socket of the owner of the queue.
    pub socket: PathBuf,
    /// What it gives away.
    pub confine: confine::Confine,
}

/// States of all sinks, for the owner of the queue.
pub(crate) type States = Arc<Mutex<Vec<SinkState>>>;

/// Changes what is known of a sink.
pub(crate) fn note(states: &States, sink: &SinkSpec, change: impl FnOnce(&mut SinkState)) {
    let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = states.iter_mut().find(|state| state.name == sink.name) {
        change(state);
    }
}

/// Serves until the owner of the queue is gone.
///
/// # Errors
/// It may do more than it should, or the owner does not answer: in words.
pub fn run(options: &Options) -> Result<(), String> {
    confine::confine(&options.confine)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| format!("the gateway gets no runtime: {source}"))?;
    runtime.block_on(serve(options))
}

async fn serve(options: &Options) -> Result<(), String> {
    let (owner, welcome) = Owner::connect(&options.socket).await?;
    let owner = Arc::new(owner);
    let state = |sink: &SinkSpec| SinkState { name: sink.name.clone(), ..SinkState::default() };
    let states: States = Arc::new(Mutex::new(welcome.sinks.iter().map(state).collect()));
    let mut tasks = tokio::task::JoinSet::new();
    for sink in welcome.sinks {
        let (owner, states) = (Arc::clone(&owner), Arc::clone(&states));
        let (queue, machine) = (welcome.queue.clone(), welcome.machine.clone());
        match sink.kind.as_str() {
            "nats" => {
                let link = nats::Link { queue, machine, sink, owner, states };
                tasks.spawn(async move { link.serve().await });
            }
            "mqtt" => {
                let link = mqtt::Link::new(queue, sink, owner, states);
                tasks.spawn(async move { link.serve().await });
            }
            other => note(&states, &sink, |state| {
                state.fault = Some(format!("this gateway knows no sink of kind {other}"));
            }),
        }
    }
    let beat = Duration::from_millis((welcome.heartbeat_ms / 4).max(50));
    tasks.spawn(async move {
        loop {
            let sinks = states.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Err(gone) = owner.heartbeat(sinks).await {
                return gone;
            }
            tokio::time::sleep(beat).await;
        }
    });
    // Whoever returns first lost the owner: then there is nothing left to do.
    match tasks.join_next().await {
        Some(Ok(gone)) => Err(gone),
        Some(Err(panicked)) => Err(format!("a task of the gateway ended: {panicked}")),
        None => Ok(()),
    }
}

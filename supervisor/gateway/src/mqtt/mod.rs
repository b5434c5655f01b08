//! An edge node of Sparkplug B 3.0 over MQTT 3.1.1.
//!
//! A session: the will (NDEATH) goes with CONNECT; subscriptions; if asked for, the primary host is waited for; NBIRTH, then every
//! DBIRTH; then data, lane by lane. Data go at QoS 0, as the specification demands. A lane is acknowledged to the queue either when the
//! broker has answered a question that was asked behind the data (it then has all of them, and nobody knows what hosts have), or, with
//! `acknowledged`, when a host says so by a command.

mod catalogue;
mod command;
mod connection;
mod data;
mod payload;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use queue::wire::{SinkSpec, Sparkplug, SparkplugState};
use tokio::time::{Instant, sleep};

use crate::owner::Owner;
use crate::{States, note};
use catalogue::Catalogue;

/// Between two attempts to connect: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// What one sink needs.
pub(crate) struct Link {
    queue: String,
    sink: SinkSpec,
    edge: Sparkplug,
    owner: Arc<Owner>,
    states: States,
    catalogue: Catalogue,
}

/// Why a session ended.
#[derive(Debug)]
enum Fault {
    /// The owner of the queue is gone: so are we.
    Owner(String),
    /// The broker; another session may help. True: it, or we, refused the other.
    Server(String, bool),
    /// The primary host is offline: the next session waits for it.
    Host,
}

fn server(what: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::Server(format!("{what}: {why}"), false)
}

/// ms since 1970.
fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// CLOCK_MONOTONIC, as the loop reads it, ns.
fn mono_ns() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    time.ok().and_then(|time| u64::try_from(Duration::from(time).as_nanos()).ok()).unwrap_or(0)
}

impl Link {
    pub(crate) fn new(queue: String, sink: SinkSpec, owner: Arc<Owner>, states: States) -> Self {
        let edge = sink.sparkplug.clone().unwrap_or_default();
        let catalogue = Catalogue::new(&edge, &queue);
        Self { queue, sink, edge, owner, states, catalogue }
    }

    /// Until the owner of the queue is gone.
    pub(crate) async fn serve(mut self) -> String {
        let mut wait = BACK_OFF.0;
        self.count(|counts| counts.host_online = false);
        loop {
            note(&self.states, &self.sink, |state| state.attempts += 1);
            let began = Instant::now();
            let (why, refused) = match self.session().await {
                Fault::Owner(gone) => return gone,
                Fault::Server(why, refused) => (why, refused),
                Fault::Host => {
                    let host = self.edge.primary_host.as_deref().unwrap_or_default();
                    (format!("the primary host {host} is offline"), false)
                }
            };
            tracing::warn!(sink = self.sink.name, "{why}");
            note(&self.states, &self.sink, |state| {
                state.connected = false;
                state.refused += u64::from(refused);
                state.fault = Some(why);
            });
            self.count(|counts| counts.host_online = false);
            if began.elapsed() > BACK_OFF.1 {
                wait = BACK_OFF.0;
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    fn count(&self, change: impl FnOnce(&mut SparkplugState)) {
        note(&self.states, &self.sink, |state| {
            change(state.sparkplug.get_or_insert_with(SparkplugState::default));
        });
    }

    /// `spBv1.0/<group>/<kind>/<node>`, and the device.
    fn topic(&self, kind: &str, device: Option<&str>) -> String {
        let Sparkplug { group, node, .. } = &self.edge;
        match device {
            Some(device) => format!("spBv1.0/{group}/{kind}/{node}/{device}"),
            None => format!("spBv1.0/{group}/{kind}/{node}"),
        }
    }
}

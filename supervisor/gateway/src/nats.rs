//! NATS JetStream: every record is in the stream exactly once, in the order of its lane.
//!
//! A lane is a subject, `<prefix>.<machine>.<class>`. A message holds a JSON list of records, and says in its headers which:
//! `Tactus-Queue`, `Tactus-First`, `Tactus-Last`. Each is published with the expected last sequence of its subject, so that the server
//! refuses what is there already, or what somebody else has overtaken; and after every doubt (a connection lost, an answer that did not
//! come) the subject's last message says where to go on. Message ids would not do: they hold for the stream's window only, and would
//! swallow what is sent again after a stream was lost.

use std::time::Duration;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{self, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, HeaderMap};
use queue::wire::{RECORDS_MAX, SinkSpec};
use std::sync::Arc;
use tokio::time::{Instant, sleep, timeout};

use crate::owner::Owner;
use crate::{States, note, tls};

/// The server has so long to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between looks for new records.
const IDLE: Duration = Duration::from_millis(50);
/// Between two attempts to connect: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

const QUEUE: &str = "Tactus-Queue";
const FIRST: &str = "Tactus-First";
const LAST: &str = "Tactus-Last";

/// What one sink needs.
pub(crate) struct Link {
    pub(crate) queue: String,
    pub(crate) machine: String,
    pub(crate) sink: SinkSpec,
    pub(crate) owner: Arc<Owner>,
    pub(crate) states: States,
}

/// Why a session with the server ended.
enum Fault {
    /// The owner of the queue is gone: so are we.
    Owner(String),
    /// The server; another session may help. True: it, or we, refused the other.
    Server(String, bool),
}

fn server(what: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::Server(format!("{what}: {why}"), false)
}

/// A lane, and where it is in the stream.
struct Position {
    lane: u16,
    subject: String,
    /// Our sequence: the stream has everything up to here.
    sent: u64,
    /// The stream's sequence of the subject's last message.
    last: u64,
    /// Not before then.
    next: Instant,
}

impl Link {
    /// Until the owner of the queue is gone.
    pub(crate) async fn serve(self) -> String {
        let mut wait = BACK_OFF.0;
        loop {
            note(&self.states, &self.sink, |state| state.attempts += 1);
            let began = Instant::now();
            match self.session().await {
                Fault::Owner(gone) => return gone,
                Fault::Server(why, refused) => {
                    tracing::warn!(sink = self.sink.name, "{why}");
                    note(&self.states, &self.sink, |state| {
                        state.connected = false;
                        state.refused += u64::from(refused);
                        state.fault = Some(why);
                    });
                }
            }
            if began.elapsed() > BACK_OFF.1 {
                wait = BACK_OFF.0;
            }
            sleep(wait).await;
            wait = (wait * 2).min(BACK_OFF.1);
        }
    }

    /// Connects, finds out what is there, and sends, until something fails.
    async fn session(&self) -> Fault {
        match self.connect_and_send().await {
            Err(fault) => fault,
            Ok(never) => match never {},
        }
    }

    async fn connect_and_send(&self) -> Result<std::convert::Infallible, Fault> {
        let client = self.connect().await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(PATIENCE);
        let stream = self.stream(&context).await?;
        let mut positions = Vec::with_capacity(self.sink.lanes.len());
        for lane in &self.sink.lanes {
            let subject = format!("{}.{}.{}", self.sink.prefix, self.machine, lane.class.word());
            let next = Instant::now();
            let mut position = Position { lane: lane.id.0, subject, sent: 0, last: 0, next };
            self.resume(&stream, &mut position).await?;
            positions.push(position);
        }
        note(&self.states, &self.sink, |state| {
            state.connected = true;
            state.fault = None;
        });
        loop {
            let mut any = false;
            // In the order of the classes: each round, safety events go before telemetry.
            for position in &mut positions {
                any |= self.send(&context, &stream, position).await?;
            }
            if !any {
                sleep(IDLE).await;
            }
        }
    }

    async fn connect(&self) -> Result<Client, Fault> {
        let mut options = ConnectOptions::new()
            .name(format!("tactus {}", self.machine))
            .connection_timeout(PATIENCE)
            .request_timeout(Some(PATIENCE))
            .max_reconnects(1)
            .ignore_discovered_servers();
        if let Some(files) = &self.sink.tls {
            let config = tls::client(files).map_err(|why| Fault::Server(why, true))?;
            options = options.require_tls(true).tls_client_config(config);
        }
        let connecting = options.connect(self.sink.address.clone());
        let connected = timeout(PATIENCE, connecting).await;
        let connected = connected.map_err(|_| server("no connection", &"it takes too long"))?;
        let client = connected.map_err(|wrong| {
            let refused = matches!(
                wrong.kind(),
                ConnectErrorKind::Tls
                    | ConnectErrorKind::Authentication
                    | ConnectErrorKind::AuthorizationViolation
            );
            let why = std::error::Error::source(&wrong).map(ToString::to_string);
            let why = why.unwrap_or_default();
            let refused = refused || why.contains("ertificate") || why.contains("alert");
            Fault::Server(format!("no connection: {wrong} {why}"), refused)
        })?;
        // With TLS 1.3 a server refuses our certificate only after we are through.
        match timeout(PATIENCE, client.flush()).await {
            Ok(Ok(())) => Ok(client),
            Ok(Err(wrong)) => Err(server("the connection broke at once", &wrong)),
            Err(_) => Err(server("the server", &"it does not answer")),
        }
    }

    /// The stream; made if it is missing, never changed.
    async fn stream(&self, context: &Context) -> Result<Stream, Fault> {
        let config = stream::Config {
            name: self.sink.stream.clone(),
            subjects: vec![format!("{}.>", self.sink.prefix)],
            storage: stream::StorageType::File,
            ..stream::Config::default()
        };
        let stream = timeout(PATIENCE, context.get_or_create_stream(config)).await;
        let stream = stream.map_err(|_| server("the stream", &"no answer"))?;
        stream.map_err(|wrong| server("the stream", &wrong))
    }

    /// Where to go on: behind what the subject's last message says.
    async fn resume(&self, stream: &Stream, position: &mut Position) -> Result<(), Fault> {
        let asking = stream.get_last_raw_message_by_subject(&position.subject);
        let answer = timeout(PATIENCE, asking).await;
        let answer = answer.map_err(|_| server("the subject's last message", &"no answer"))?;
        let message = match answer {
            Ok(message) => Some(message),
            Err(wrong) if matches!(wrong.kind(), LastRawMessageErrorKind::NoMessageFound) => None,
            Err(wrong) => return Err(server("the subject's last message", &wrong)),
        };
        position.last = message.as_ref().map_or(0, |message| message.sequence);
        let header = |name: &str| {
            let headers = message.as_ref().map(|message| &message.headers);
            headers.and_then(|headers| headers.get(name)).map(|value| value.as_str().to_owned())
        };
        let ours = header(QUEUE).is_some_and(|queue| queue == self.queue);
        let there = header(LAST).and_then(|last| last.parse::<u64>().ok());
        // What another queue left is not of our sequences: we go on behind it.
        position.sent = there.filter(|_| ours).unwrap_or(0);
        if position.sent > 0 {
            self.acknowledge(position).await?;
        }
        Ok(())
    }

    async fn acknowledge(&self, position: &Position) -> Result<(), Fault> {
        let answer = self.owner.ack(position.lane, position.sent).await.map_err(Fault::Owner)?;
        answer.map_err(|why| {
            Fault::Server(
                format!("{}: the stream has what we never sent: {why}", position.subject),
                true,
            )
        })
    }

    /// One message of a lane; false: there was nothing to send.
    async fn send(
        &self,
        context: &Context,
        stream: &Stream,
        position: &mut Position,
    ) -> Result<bool, Fault> {
        if Instant::now() < position.next {
            return Ok(false);
        }
        let records = self.owner.pull(position.lane, position.sent, RECORDS_MAX).await;
        let records = records.map_err(Fault::Owner)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(false) };
        let (first, last) = (first.0, last.0);
        let mut headers = HeaderMap::new();
        headers.insert(QUEUE, self.queue.as_str());
        headers.insert(FIRST, first.to_string());
        headers.insert(LAST, last.to_string());
        headers.insert(
            async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE,
            position.last.to_string(),
        );
        let bodies: Vec<&str> = records.iter().map(|(_, body)| body.as_str()).collect();
        let payload = format!("[{}]", bodies.join(",\n"));
        let publishing =
            context.publish_with_headers(position.subject.clone(), headers, payload.into());
        let confirmed = match timeout(PATIENCE, publishing).await {
            Err(_) => return Err(server(&position.subject, &"cannot be sent to")),
            Ok(Err(wrong)) => Err(wrong),
            Ok(Ok(confirmation)) => confirmation.await,
        };
        match confirmed {
            Ok(confirmation) => {
                position.last = confirmation.sequence;
                position.sent = last;
                let count = u64::try_from(records.len()).unwrap_or(0);
                self.acknowledge(position).await?;
                let pause = count.saturating_mul(1_000_000) / self.sink.rate_max.max(1);
                position.next = Instant::now() + Duration::from_micros(pause);
                note(&self.states, &self.sink, |state| {
                    state.messages += 1;
                    state.records += count;
                });
                Ok(true)
            }
            // Somebody was there before: most often we, and did not hear of it.
            Err(wrong) if matches!(wrong.kind(), PublishErrorKind::WrongLastSequence) => {
                note(&self.states, &self.sink, |state| state.resumed += 1);
                self.resume(stream, position).await?;
                Ok(true)
            }
            Err(wrong) => Err(server(&position.subject, &wrong)),
        }
    }
}

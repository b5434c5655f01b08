//! One connection to the broker: it ends with the first fault, and is never resumed. What comes in is handed on as it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, PublishOptions,
    QoS, StateError, TlsConfiguration, Transport,
};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Fault, server};
use crate::tls;

/// The broker has so long to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// A line that is dead is found within twice this.
const KEEP_ALIVE_S: u16 = 5;
/// Longest packets, bytes: a longer one from the broker ends the connection, before memory is asked for.
const PACKET_MAX: (usize, usize) = (1 << 20, 4 << 20);
/// Messages from the broker that may wait; further ones are dropped, and counted.
const WAITING_MAX: usize = 256;

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Heard {
    /// The broker has taken us.
    Connected,
    /// A message.
    Message { topic: String, payload: Vec<u8>, kept: bool },
    /// It is over: why, whether a certificate was refused, and whether what came was none.
    Ended { why: String, refused: bool, garbage: bool },
}

/// A connection; dropped, the line is cut, and the broker says the will.
pub(super) struct Connection {
    client: AsyncClient,
    pub(super) heard: Receiver<Heard>,
    pub(super) dropped: Arc<AtomicU64>,
    poll: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.poll.abort();
    }
}

/// Who connects, and what is said of it when the line breaks.
pub(super) struct Hello<'a> {
    pub(super) client: String,
    pub(super) address: &'a str,
    pub(super) tls: Option<&'a [String; 3]>,
    pub(super) will: (String, Vec<u8>),
}

impl Connection {
    /// Begins; [`Heard::Connected`] or [`Heard::Ended`] follows.
    pub(super) fn begin(hello: Hello<'_>) -> Result<Self, Fault> {
        let (host, port) = hello.address.rsplit_once(':').unwrap_or((hello.address, "8883"));
        let port = port.parse().map_err(|wrong| server("the address", &wrong))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut options = MqttOptions::new(hello.client, (host.to_owned(), port));
        options.set_keep_alive(KEEP_ALIVE_S);
        options.set_clean_session(true);
        options.set_max_packet_size(PACKET_MAX.0, PACKET_MAX.1);
        options.set_last_will(LastWill::new(hello.will.0, hello.will.1, QoS::AtLeastOnce, false));
        if let Some(files) = hello.tls {
            let config = tls::client(files).map_err(|why| Fault::Server(why, true))?;
            let config = TlsConfiguration::Rustls(Arc::new(config));
            options.set_transport(Transport::tls_with_config(config));
        }
        let (client, polled) = AsyncClient::builder(options).capacity(16).build();
        let (tell, heard) = mpsc::channel(WAITING_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let poll = tokio::spawn(poll(polled, tell, Arc::clone(&dropped)));
        Ok(Self { client, heard, dropped, poll })
    }

    /// Waits until the broker has taken us.
    pub(super) async fn connected(&mut self) -> Result<(), Fault> {
        match timeout(PATIENCE, self.heard.recv()).await {
            Ok(Some(Heard::Connected)) => Ok(()),
            Ok(Some(Heard::Ended { why, refused, .. })) => {
                // Who is there, and hangs up before it has answered, wants nothing of us: a TLS broker without TLS, for one.
                let refused = refused || why.contains("by peer");
                Err(Fault::Server(format!("no connection: {why}"), refused))
            }
            Ok(Some(Heard::Message { .. }) | None) => Err(server("the broker", &"out of order")),
            Err(_) => Err(server("no connection", &"it takes too long")),
        }
    }

    /// Subscribes at QoS 1; the broker says that it did.
    pub(super) async fn subscribe(&self, topic: String) -> Result<(), Fault> {
        let asking = async {
            let notice = self.client.subscribe_tracked(topic, QoS::AtLeastOnce).await;
            let notice = notice.map_err(|wrong| wrong.to_string())?;
            notice.wait_async().await.map(drop).map_err(|wrong| wrong.to_string())
        };
        answered("a subscription", timeout(PATIENCE, asking).await)
    }

    /// Sends, without an answer: QoS 0, not retained.
    pub(super) async fn send(&self, topic: String, payload: Vec<u8>) -> Result<(), Fault> {
        let options = PublishOptions::new(QoS::AtMostOnce);
        let sending = self.client.publish(topic, payload, options);
        let sent = timeout(PATIENCE, sending).await;
        answered("data", sent.map(|sent| sent.map_err(|wrong| wrong.to_string())))
    }

    /// Sends, and waits until the broker has it: QoS 1, not retained.
    pub(super) async fn say(&self, topic: String, payload: Vec<u8>) -> Result<(), Fault> {
        let asking = async {
            let options = PublishOptions::new(QoS::AtLeastOnce);
            let notice = self.client.publish_tracked(topic, payload, options).await;
            let notice = notice.map_err(|wrong| wrong.to_string())?;
            notice.wait_async().await.map(drop).map_err(|wrong| wrong.to_string())
        };
        answered("the death", timeout(PATIENCE, asking).await)
    }

    /// The broker has everything that was sent before: it answers in order (MQTT 3.1.1, 4.6), and it must answer to an UNSUBSCRIBE of
    /// what was never subscribed (3.10.4).
    pub(super) async fn settled(&self, never: String) -> Result<(), Fault> {
        let asking = async {
            let notice = self.client.unsubscribe_tracked(never).await;
            let notice = notice.map_err(|wrong| wrong.to_string())?;
            notice.wait_completion_async().await.map(drop).map_err(|wrong| wrong.to_string())
        };
        answered("the broker", timeout(PATIENCE, asking).await)
    }

    /// Ends it in order: the broker drops the will.
    pub(super) async fn end(self) {
        let _ = self.client.disconnect().await;
        let mut heard = self;
        let over = async {
            while let Some(it) = heard.heard.recv().await {
                if matches!(it, Heard::Ended { .. }) {
                    break;
                }
            }
        };
        let _ = timeout(PATIENCE, over).await;
    }
}

fn answered(
    what: &str,
    answer: Result<Result<(), String>, tokio::time::error::Elapsed>,
) -> Result<(), Fault> {
    match answer {
        Ok(Ok(())) => Ok(()),
        Ok(Err(wrong)) => Err(server(what, &wrong)),
        Err(_) => Err(server(what, &"the broker does not answer")),
    }
}

async fn poll(mut polled: EventLoop, tell: Sender<Heard>, dropped: Arc<AtomicU64>) {
    loop {
        match polled.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if tell.send(Heard::Connected).await.is_err() {
                    return;
                }
            }
            Ok(Event::Incoming(Packet::Publish(message))) => {
                let topic = String::from_utf8_lossy(&message.topic).into_owned();
                let (payload, kept) = (message.payload.to_vec(), message.retain);
                // Nobody waits here: who sends more than we read, is not heard.
                if tell.try_send(Heard::Message { topic, payload, kept }).is_err() {
                    dropped.fetch_add(1, Ordering::AcqRel);
                }
            }
            Ok(_) => {}
            Err(wrong) => {
                let _ = tell.send(ended(&wrong)).await;
                return;
            }
        }
    }
}

fn ended(wrong: &ConnectionError) -> Heard {
    let mut why = wrong.to_string();
    let mut source = std::error::Error::source(wrong);
    while let Some(deeper) = source {
        let more = deeper.to_string();
        if !why.contains(&more) {
            why = format!("{why}: {more}");
        }
        source = deeper.source();
    }
    let refused = matches!(wrong, ConnectionError::Tls(_) | ConnectionError::ConnectionRefused(_))
        || why.contains("ertificate")
        || why.contains("alert");
    let garbage = matches!(
        wrong,
        ConnectionError::MqttState(
            StateError::Deserialization(_) | StateError::ProtocolViolation(_)
        )
    );
    Heard::Ended { why, refused, garbage }
}

//! The socket to the owner of the queue: one question, one answer.

use std::path::Path;
use std::time::Duration;

use queue::wire::{self, SinkSpec, SinkState, ToGateway, ToOwner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// The owner has so long for the first answer.
const FIRST: Duration = Duration::from_secs(10);

/// What the owner says first.
#[derive(Debug)]
pub struct Welcome {
    /// Who the queue is.
    pub queue: String,
    /// The machine.
    pub machine: String,
    /// Where to.
    pub sinks: Vec<SinkSpec>,
    /// Who is silent for longer counts as dead, ms.
    pub heartbeat_ms: u64,
}

/// The owner of the queue.
#[derive(Debug)]
pub struct Owner {
    stream: Mutex<UnixStream>,
    patience: Duration,
}

impl Owner {
    /// Goes to the socket and says hello.
    ///
    /// # Errors
    /// Nobody there, or not one of ours.
    pub async fn connect(path: &Path) -> Result<(Self, Welcome), String> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| format!("no queue at {}: {source}", path.display()))?;
        let owner = Self { stream: Mutex::new(stream), patience: FIRST };
        match owner.ask(&ToOwner::Hello { pid: std::process::id() }).await? {
            ToGateway::Welcome { queue, machine, sinks, heartbeat_ms } => {
                let patience = Duration::from_millis(heartbeat_ms.max(1000) * 2);
                Ok((Self { patience, ..owner }, Welcome { queue, machine, sinks, heartbeat_ms }))
            }
            other => Err(format!("the owner of the queue answers {other:?} to a hello")),
        }
    }

    async fn ask(&self, question: &ToOwner) -> Result<ToGateway, String> {
        let mut stream = self.stream.lock().await;
        let gone = |what: String| format!("the owner of the queue is gone: {what}");
        let exchange = async {
            let frame = wire::encode(question).map_err(|wrong| wrong.to_string())?;
            stream.write_all(&frame).await.map_err(|wrong| wrong.to_string())?;
            let mut head = [0; 8];
            stream.read_exact(&mut head).await.map_err(|wrong| wrong.to_string())?;
            let length = wire::length(head).map_err(|wrong| wrong.to_string())?;
            let mut payload = vec![0; length];
            stream.read_exact(&mut payload).await.map_err(|wrong| wrong.to_string())?;
            wire::decode(&payload).map_err(|wrong| wrong.to_string())
        };
        match timeout(self.patience, exchange).await {
            Ok(answer) => answer.map_err(gone),
            Err(_) => Err(gone("it does not answer".to_owned())),
        }
    }

    /// Records behind `after`.
    ///
    /// # Errors
    /// The owner is gone.
    pub async fn pull(
        &self,
        lane: u16,
        after: u64,
        records_max: usize,
    ) -> Result<Vec<(u64, String)>, String> {
        match self.ask(&ToOwner::Pull { lane, after, records_max }).await? {
            ToGateway::Records { lane: of, records } if of == lane => Ok(records),
            other => Err(format!("the owner of the queue answers {other:?} to a pull")),
        }
    }

    /// The sink has everything up to `up_to`. `Ok(Err)`: the owner says that this cannot be.
    ///
    /// # Errors
    /// The owner is gone.
    pub async fn ack(&self, lane: u16, up_to: u64) -> Result<Result<(), String>, String> {
        match self.ask(&ToOwner::Ack { lane, up_to }).await? {
            ToGateway::Acked { lane: of } if of == lane => Ok(Ok(())),
            ToGateway::Refused { lane: of, why } if of == lane => Ok(Err(why)),
            other => Err(format!("the owner of the queue answers {other:?} to an acknowledgement")),
        }
    }

    /// The number of a session that begins. `Ok(Err)`: the owner cannot write it down.
    ///
    /// # Errors
    /// The owner is gone.
    pub async fn birth(&self, sink: &str) -> Result<Result<u8, String>, String> {
        match self.ask(&ToOwner::Birth { sink: sink.to_owned() }).await? {
            ToGateway::Birth { number } => Ok(Ok(number)),
            ToGateway::NoBirth { why } => Ok(Err(why)),
            other => Err(format!("the owner of the queue answers {other:?} to a birth")),
        }
    }

    /// We live.
    ///
    /// # Errors
    /// The owner is gone.
    pub async fn heartbeat(&self, sinks: Vec<SinkState>) -> Result<(), String> {
        match self.ask(&ToOwner::Heartbeat { sinks }).await? {
            ToGateway::Heartbeat => Ok(()),
            other => Err(format!("the owner of the queue answers {other:?} to a heartbeat")),
        }
    }
}

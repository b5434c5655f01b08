//! One session of the edge node, from CONNECT to its end.

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prost::Message as _;
use queue::wire::RECORDS_MAX;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, timeout};

use super::command::{self, Command, Host, News};
use super::connection::{Connection, Heard, Hello};
use super::data::{Moment, Sending};
use super::{Fault, Link, catalogue, mono_ns, server, wall_ms};
use crate::note;

/// Between looks for new records.
const IDLE: Duration = Duration::from_millis(50);
/// A host has so long to acknowledge; then it is sent again.
const ACKNOWLEDGED_IN: Duration = Duration::from_secs(10);
/// Records of a lane that may wait for an acknowledgement.
const UNACKNOWLEDGED_MAX: u64 = 4096;

/// A lane, and where it is.
struct Position {
    lane: u16,
    class: &'static str,
    /// The last that was sent in this session.
    sent: u64,
    /// The most that ever was.
    most: u64,
    /// Records sent since the last acknowledgement.
    open: u64,
    /// When something was acknowledged last, or the first of what waits was sent.
    moved: Instant,
    /// Not before then.
    next: Instant,
}

/// What is true within a session.
struct Session {
    connection: Connection,
    /// bdSeq.
    number: u8,
    /// Of the last message.
    seq: u8,
    host: Host,
    /// When it was born, CLOCK_MONOTONIC, ns.
    born_ns: u64,
    last_birth: Instant,
    rebirth_asked: bool,
    lanes: Vec<Position>,
}

impl Link {
    /// Until something fails.
    pub(super) async fn session(&mut self) -> Fault {
        match self.connect_and_send().await {
            Err(fault) => fault,
            Ok(never) => match never {},
        }
    }

    async fn connect_and_send(&mut self) -> Result<Infallible, Fault> {
        let number = self.owner.birth(&self.sink.name).await.map_err(Fault::Owner)?;
        let number = number.map_err(|why| server("no number for this session", &why))?;
        let mut session = self.connect(number).await?;
        match self.talk(&mut session).await {
            // It is said by us, as the line is not broken; the will goes with the order of the end.
            Err(Fault::Host) => {
                let death = catalogue::death(number, wall_ms()).encode_to_vec();
                session.connection.say(self.topic("NDEATH", None), death).await?;
                session.connection.end().await;
                Err(Fault::Host)
            }
            other => other,
        }
    }

    async fn connect(&self, number: u8) -> Result<Session, Fault> {
        let death = catalogue::death(number, wall_ms());
        let mut connection = Connection::begin(Hello {
            client: format!("{}.{}.{}", self.edge.group, self.edge.node, self.sink.name),
            address: &self.sink.address,
            tls: self.sink.tls.as_ref(),
            will: (self.topic("NDEATH", None), death.encode_to_vec()),
        })?;
        connection.connected().await?;
        let now = Instant::now();
        let lanes = self.sink.lanes.iter().map(|lane| Position {
            lane: lane.id.0,
            class: lane.class.word(),
            sent: 0,
            most: 0,
            open: 0,
            moved: now,
            next: now,
        });
        let session = Session {
            connection,
            number,
            seq: 0,
            host: Host::default(),
            born_ns: 0,
            last_birth: now,
            rebirth_asked: false,
            lanes: lanes.collect(),
        };
        session.connection.subscribe(self.topic("NCMD", None)).await?;
        session.connection.subscribe(self.topic("DCMD", Some("+"))).await?;
        if let Some(host) = &self.edge.primary_host {
            session.connection.subscribe(format!("spBv1.0/STATE/{host}")).await?;
        }
        Ok(session)
    }

    async fn talk(&mut self, session: &mut Session) -> Result<Infallible, Fault> {
        while self.edge.primary_host.is_some() && !session.host.is_online() {
            let heard = session.connection.heard.recv().await;
            // Before a birth an offline host is what is waited for to end.
            match self.hear(session, heard).await {
                Err(Fault::Host) | Ok(()) => {}
                Err(fault) => return Err(fault),
            }
        }
        self.count(|counts| counts.host_online = true);
        session.born_ns = mono_ns();
        self.birth(session).await?;
        note(&self.states, &self.sink, |state| {
            state.connected = true;
            state.fault = None;
        });
        loop {
            loop {
                match session.connection.heard.try_recv() {
                    Ok(heard) => self.hear(session, Some(heard)).await?,
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => self.hear(session, None).await?,
                }
            }
            let cool = Duration::from_millis(self.edge.rebirth_cooldown_ms);
            if session.rebirth_asked && session.last_birth.elapsed() >= cool {
                self.birth(session).await?;
                self.count(|counts| counts.rebirths += 1);
            }
            let mut any = false;
            // In the order of the classes: each round, safety events go before telemetry.
            for place in 0..session.lanes.len() {
                any |= self.send(session, place).await?;
            }
            if !any && let Ok(heard) = timeout(IDLE, session.connection.heard.recv()).await {
                self.hear(session, heard).await?;
            }
        }
    }

    /// NBIRTH, then every DBIRTH.
    async fn birth(&mut self, session: &mut Session) -> Result<(), Fault> {
        session.rebirth_asked = false;
        session.last_birth = Instant::now();
        session.seq = 0;
        for speaker in 0..self.catalogue.speakers.len() {
            if speaker > 0 {
                session.seq = session.seq.wrapping_add(1);
            }
            let payload = self.catalogue.birth(speaker, session.seq, session.number, wall_ms());
            let topic = self.topic_of("BIRTH", speaker);
            session.connection.send(topic, payload.encode_to_vec()).await?;
        }
        self.count(|counts| counts.births += 1);
        Ok(())
    }

    /// `NBIRTH` or `DBIRTH`, `NDATA` or `DDATA`.
    fn topic_of(&self, what: &str, speaker: usize) -> String {
        match self.catalogue.speakers.get(speaker).and_then(|it| it.name.as_deref()) {
            Some(device) => self.topic(&format!("D{what}"), Some(device)),
            None => self.topic(&format!("N{what}"), None),
        }
    }

    async fn hear(&self, session: &mut Session, heard: Option<Heard>) -> Result<(), Fault> {
        let dropped = session.connection.dropped.swap(0, Ordering::AcqRel);
        if dropped > 0 {
            self.count(|counts| counts.commands_refused += dropped);
        }
        let (topic, payload, kept) = match heard {
            Some(Heard::Message { topic, payload, kept }) => (topic, payload, kept),
            Some(Heard::Connected) => return Ok(()),
            Some(Heard::Ended { why, refused, garbage }) => {
                self.count(|counts| counts.malformed += u64::from(garbage));
                return Err(Fault::Server(format!("the connection ended: {why}"), refused));
            }
            None => return Err(server("the connection", &"it ended")),
        };
        if topic.starts_with("spBv1.0/STATE/") {
            return self.state(session, &payload);
        }
        let to_node = topic == self.topic("NCMD", None);
        let read = command::read(&payload, to_node, kept, &self.catalogue);
        self.count(|counts| {
            counts.malformed += u64::from(read.malformed);
            counts.commands_refused += read.refused;
        });
        for command in read.commands {
            match command {
                Command::Rebirth => {
                    let cool = Duration::from_millis(self.edge.rebirth_cooldown_ms);
                    let late = session.rebirth_asked || session.last_birth.elapsed() < cool;
                    self.count(|counts| counts.rebirths_late += u64::from(late));
                    session.rebirth_asked = true;
                }
                Command::Acknowledge { queue, class, up_to } => {
                    self.acknowledged(session, &queue, &class, up_to).await?;
                }
            }
        }
        Ok(())
    }

    fn state(&self, session: &mut Session, payload: &[u8]) -> Result<(), Fault> {
        match session.host.take(payload) {
            News::Online => Ok(()),
            News::Offline => Err(Fault::Host),
            News::Stale => {
                self.count(|counts| counts.states_stale += 1);
                Ok(())
            }
            News::Malformed => {
                self.count(|counts| counts.malformed += 1);
                Ok(())
            }
        }
    }

    /// A host has it: of this queue, and not more than it can have.
    async fn acknowledged(
        &self,
        session: &mut Session,
        queue: &str,
        class: &str,
        up_to: u64,
    ) -> Result<(), Fault> {
        let lane = session.lanes.iter_mut().find(|lane| lane.class == class);
        let Some(lane) = lane.filter(|lane| queue == self.queue && up_to <= lane.most) else {
            self.count(|counts| counts.commands_refused += 1);
            return Ok(());
        };
        let done = self.owner.ack(lane.lane, up_to).await.map_err(Fault::Owner)?;
        if done.is_err() {
            self.count(|counts| counts.commands_refused += 1);
            return Ok(());
        }
        lane.sent = lane.sent.max(up_to);
        lane.open = lane.sent - up_to;
        lane.moved = Instant::now();
        Ok(())
    }

    /// Some records of a lane; false: there was nothing to send.
    async fn send(&mut self, session: &mut Session, place: usize) -> Result<bool, Fault> {
        let Some(lane) = session.lanes.get_mut(place) else { return Ok(false) };
        let now = Instant::now();
        if self.edge.acknowledged && lane.open > 0 && lane.moved.elapsed() > ACKNOWLEDGED_IN {
            // Nobody says that it has them: again from the first that waits.
            let open = lane.open;
            (lane.sent, lane.open, lane.moved) = (0, 0, now);
            self.count(|counts| counts.sent_again += open);
        }
        if now < lane.next || (self.edge.acknowledged && lane.open >= UNACKNOWLEDGED_MAX) {
            return Ok(false);
        }
        let pulled = self.owner.pull(lane.lane, lane.sent, RECORDS_MAX).await;
        let records = pulled.map_err(Fault::Owner)?;
        let Some((last, _)) = records.last() else { return Ok(false) };
        let (count, last) = (u64::try_from(records.len()).unwrap_or(0), *last);
        let mut sending = Sending {
            class: lane.class,
            after: lane.sent,
            moment: Moment { wall_ms: wall_ms(), mono_ns: mono_ns(), born_ns: session.born_ns },
            datatypes: self.edge.datatype_on_data,
            catalogue: &mut self.catalogue,
        };
        let said = sending.say(&records, &mut session.seq);
        let (messages, mut historical) = (said.len(), 0);
        for said in said {
            historical += said.historical;
            let topic = self.topic_of("DATA", said.speaker);
            session.connection.send(topic, said.payload.encode_to_vec()).await?;
        }
        if lane.open == 0 {
            lane.moved = now;
        }
        lane.sent = last;
        lane.most = lane.most.max(last);
        lane.open += count;
        if !self.edge.acknowledged {
            session.connection.settled(self.topic("NCMD", Some("never"))).await?;
            let done = self.owner.ack(lane.lane, last).await.map_err(Fault::Owner)?;
            done.map_err(|why| server("the queue", &why))?;
            lane.open = 0;
        }
        let pause = count.saturating_mul(1_000_000) / self.sink.rate_max.max(1);
        lane.next = now + Duration::from_micros(pause);
        note(&self.states, &self.sink, |state| {
            state.messages += u64::try_from(messages).unwrap_or(0);
            state.records += count;
        });
        self.count(|counts| counts.historical += historical);
        Ok(true)
    }
}

//! `[forward]`, `[gateway]`, `[[sink]]` and `[[export]]`: what leaves the machine, where to, and what keeps it until it has arrived.

use crate::read::{Int, Name, Time, section, word};

section! {
    /// The durable queue between the machine and its sinks. It is there as soon as something is exported.
    "[forward]" Forward {
        /// Where the queue is; default: `forward` in the state directory.
        directory: Option<String>,
        /// The queue may hold so much, megabytes; default 256. Beyond it the oldest telemetry goes, then events, then safety events; what
        /// goes is counted, with its range.
        size: Option<Int<1, 1_048_576>>,
        /// Telemetry that nobody fetched is dropped and counted after so long; default 24 h.
        telemetry_age: Option<Time>,
        /// The same for events; default 720 h.
        event_age: Option<Time>,
    }
}

section! {
    /// The process that talks to plant systems. `tactus run` starts, watches and restarts it as soon as there is a sink.
    "[gateway]" Gateway {
        /// Default true. False: the queue fills, and nothing is sent until `tactus forward drain`.
        enabled: Option<bool>,
        /// User that it runs as, when `tactus run` is root; default: the user `nobody`.
        user: Option<Name>,
        /// Address space it may use, megabytes; default 1024.
        memory: Option<Int<64, 65_536>>,
        /// It is restarted when it was silent for so long, 1 s to 60 s; default 5 s.
        heartbeat: Option<Time>,
    }
}

section! {
    /// A plant system that takes what is exported to it.
    "[[sink]]" Sink {
        /// Its name.
        name: Name,
        /// What it is.
        kind: SinkKind,
        /// Host and port.
        address: Name,
        /// `nats`: first part of its subjects; default `tactus`.
        prefix: Option<Name>,
        /// `nats`: JetStream stream; it is made when it is missing. Default `TACTUS`.
        stream: Option<Name>,
        /// Certificate of the authority that signed the server's (PEM). Without it the connection is not encrypted, which is refused
        /// unless the address is on this machine.
        ca: Option<Name>,
        /// Our certificate (PEM).
        certificate: Option<Name>,
        /// Our private key (PEM), readable for the gateway's user alone.
        key: Option<Name>,
        /// Records a second when an outage is caught up with, 1 to 1000000; default 5000. What is new goes first.
        catch_up_rate: Option<Int<1, 1_000_000>>,
        /// `mqtt`: Sparkplug group; default `tactus`.
        group: Option<Name>,
        /// `mqtt`: name of the edge node; default: the name of the machine.
        node: Option<Name>,
        /// `mqtt`: host that must be online (its STATE) before anything is said; default: none is waited for.
        primary_host: Option<Name>,
        /// `mqtt`: what counts as delivered; default `sent`.
        delivery: Option<Delivery>,
        /// `mqtt`: whether data name the types of their metrics, or births alone; default `never`.
        datatype_on_data: Option<DatatypeOnData>,
        /// `mqtt`: axes are instances of a template instead of folders; default false. Not every host can read templates.
        templates: Option<bool>,
        /// `mqtt`: between two births that hosts ask for, 0 s to 10 min; default 5 s. What is asked for earlier is answered then, once.
        rebirth_cooldown: Option<Time>,
    }
}

word! {
    /// Kinds of sinks.
    "kind of sink" SinkKind {
        /// NATS JetStream: acknowledged, every record there exactly once.
        "nats" => Nats,
        /// MQTT 3.1.1 with Sparkplug B 3.0: data at most once, unless `delivery` is `acknowledged`.
        "mqtt" => Mqtt,
    }
}

word! {
    /// What counts as delivered.
    "delivery" Delivery {
        /// The broker has it. Whether a host has it, nobody knows.
        "sent" => Sent,
        /// A host has written that it has it, to the metric `Tactus/Acknowledge`.
        "acknowledged" => Acknowledged,
    }
}

word! {
    /// When data name the types of their metrics.
    "moment" DatatypeOnData {
        /// Births do, as the specification prefers it.
        "never" => Never,
        /// In each message, for hosts that need it.
        "always" => Always,
    }
}

section! {
    /// What may leave the machine: what is not listed here is not exported.
    "[[export]]" Export {
        /// Its name; records carry it.
        name: Name,
        /// Names or patterns (`*`: anything): signals of devices; `axes.<axis>.position`, `.velocity`, `.commanded`, `.following_error`,
        /// `.torque`; `loop.latency`, `loop.execution`.
        #[schemars(default)]
        signals: Vec<Name>,
        /// Kinds of events or patterns: `trip`, `demand`, `*`, …
        #[schemars(default)]
        events: Vec<Name>,
        /// Sinks that may see it.
        sinks: Vec<Name>,
        /// One record of each signal in so long, 10 ms to 1 h; default 1 s.
        rate: Option<Time>,
        /// What a record says of its time; default `statistics`.
        reduce: Option<Reduce>,
        /// Each change of a signal too, up to 16 for a record; default false.
        edges: Option<bool>,
        /// How long it is kept here after it was acknowledged, for `tactus forward replay`; default 0 s.
        retention: Option<Time>,
        /// Who decides on it: a person or a department.
        owner: Name,
        /// What goes first, and is dropped last; default `telemetry` for signals, `event` for events alone.
        class: Option<Class>,
    }
}

word! {
    /// What a record says of its time.
    "reduction" Reduce {
        /// Smallest, largest, mean and last value.
        "statistics" => Statistics,
        /// The last value.
        "last" => Last,
    }
}

word! {
    /// What goes first, and is dropped last.
    "class of records" Class {
        /// Stops and what leads to them: dropped last.
        "safety" => Safety,
        /// What happens.
        "event" => Event,
        /// Values over time: dropped first.
        "telemetry" => Telemetry,
    }
}

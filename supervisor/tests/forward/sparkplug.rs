//! What the specification of Sparkplug 3.0 demands of an edge node, as far as a broker can see it: each rule by its `tck-id`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const BOOLEAN: u64 = 11;
const INT64: u64 = 4;
const TEMPLATE: u64 = 19;

/// What is known of the node while its messages are read.
#[derive(Default)]
struct Node {
    /// bdSeq of the last birth.
    born: Option<i64>,
    alive: bool,
    seq: u64,
    /// Devices born since the last NBIRTH; the node is the empty name.
    devices: BTreeSet<String>,
    /// Alias to its speaker and its type.
    aliases: BTreeMap<u64, (String, u64)>,
    /// Definition to its members.
    templates: BTreeMap<String, BTreeSet<String>>,
    /// Who listens was away, and does not know what was said meanwhile.
    away: bool,
    wrong: Vec<String>,
}

/// Everything in these messages of one edge node that the specification does not allow.
pub(crate) fn violations(messages: &[Value], group: &str, name: &str) -> Vec<String> {
    let mut node = Node::default();
    let mut subscribed = 0;
    for message in messages {
        let Some(topic) = message["topic"].as_str() else { continue };
        subscribed += usize::from(topic == "subscribed");
        if topic == "subscribed" && subscribed > 1 {
            (node.away, node.alive, node.born) = (true, false, None);
        }
        let parts: Vec<&str> = topic.split('/').collect();
        let ["spBv1.0", of, kind, edge, device @ ..] = parts.as_slice() else { continue };
        // tck-id-topic-structure-namespace-a
        node.check(
            device.len() <= 1 && *of == group && *edge == name,
            "tck-id-topic-structure-namespace-a",
            message,
        );
        let device = device.first().copied().unwrap_or_default();
        node.away &= *kind != "NBIRTH";
        if node.away {
            continue;
        }
        match *kind {
            "NBIRTH" => node.nbirth(message),
            "DBIRTH" => node.dbirth(message, device),
            "NDATA" | "DDATA" => node.data(message, device),
            "NDEATH" => node.ndeath(message),
            "NCMD" | "DCMD" => {}
            other => node.wrong.push(format!("unknown kind {other}")),
        }
    }
    node.wrong
}

fn of<'a>(metrics: &'a Value, name: &str) -> Option<&'a Value> {
    metrics.as_array()?.iter().find(|metric| metric["name"] == name)
}

fn all(metrics: &Value) -> &[Value] {
    metrics.as_array().map_or(&[], Vec::as_slice)
}

impl Node {
    fn check(&mut self, holds: bool, id: &str, message: &Value) {
        if !holds {
            let text: String = message.to_string().chars().take(300).collect();
            self.wrong.push(format!("{id}: {text}"));
        }
    }

    fn quality_of_service(&mut self, message: &Value, qos: u64, ids: [&str; 2]) {
        self.check(message["qos"] == qos, ids[0], message);
        self.check(message["retain"] == false, ids[1], message);
    }

    fn nbirth(&mut self, message: &Value) {
        let metrics = &message["metrics"];
        self.quality_of_service(
            message,
            0,
            [
                "tck-id-message-flow-edge-node-birth-publish-nbirth-qos",
                "tck-id-message-flow-edge-node-birth-publish-nbirth-retained",
            ],
        );
        self.check(message["seq"] == 0, "tck-id-payloads-nbirth-seq", message);
        self.check(message["timestamp"].is_u64(), "tck-id-payloads-nbirth-timestamp", message);
        let bdseq = of(metrics, "bdSeq").filter(|it| it["datatype"] == INT64);
        let number = bdseq.and_then(|it| it["value"].as_i64());
        self.check(number.is_some(), "tck-id-topics-nbirth-bdseq-included", message);
        let same = number == self.born;
        if self.alive {
            // A birth that was asked for has the number of the session's will.
            self.check(same, "tck-id-operational-behavior-data-commands-rebirth-action-3", message);
        } else if let (Some(number), Some(before)) = (number, self.born) {
            let ahead = (number - before).rem_euclid(256);
            self.check((1..128).contains(&ahead), "tck-id-topics-nbirth-bdseq-increment", message);
        }
        let rebirth = of(metrics, "Node Control/Rebirth");
        let is = |key: &str, value: Value| rebirth.is_some_and(|it| it[key] == value);
        self.check(rebirth.is_some(), "tck-id-topics-nbirth-rebirth-metric", message);
        for (holds, id) in [
            (is("datatype", BOOLEAN.into()), "rebirth-datatype"),
            (is("value", false.into()), "rebirth-value"),
            (is("alias", Value::Null), "rebirth-name-aliases"),
        ] {
            self.check(holds, &format!("tck-id-operational-behavior-data-commands-{id}"), message);
        }
        (self.born, self.alive, self.seq) = (number, true, 0);
        self.devices = BTreeSet::from([String::new()]);
        self.aliases.clear();
        self.templates.clear();
        self.born_metrics(message, "");
    }

    fn dbirth(&mut self, message: &Value, device: &str) {
        let ready = self.alive && self.devices.contains("");
        self.check(ready, "tck-id-message-flow-device-birth-publish-nbirth-wait", message);
        self.quality_of_service(
            message,
            0,
            [
                "tck-id-message-flow-device-birth-publish-dbirth-qos",
                "tck-id-message-flow-device-birth-publish-dbirth-retained",
            ],
        );
        self.check(message["timestamp"].is_u64(), "tck-id-payloads-dbirth-timestamp", message);
        self.next(message, "tck-id-payloads-dbirth-seq-inc");
        self.devices.insert(device.to_owned());
        self.born_metrics(message, device);
    }

    /// Every message but the first is one further, and 0 follows 255.
    fn next(&mut self, message: &Value, id: &str) {
        let expected = (self.seq + 1) % 256;
        self.check(message["seq"] == expected, id, message);
        self.seq = message["seq"].as_u64().unwrap_or(expected);
    }

    fn born_metrics(&mut self, message: &Value, device: &str) {
        for metric in all(&message["metrics"]) {
            let name = metric["name"].as_str();
            self.check(name.is_some(), "tck-id-payloads-name-birth-data-requirement", message);
            let datatype = metric["datatype"].as_u64().unwrap_or(0);
            self.check(datatype != 0, "tck-id-payloads-metric-datatype-req", message);
            self.check(
                metric["timestamp"].is_u64(),
                "tck-id-payloads-name-birth-data-requirement",
                message,
            );
            if let Some(alias) = metric["alias"].as_u64() {
                let new = self.aliases.insert(alias, (device.to_owned(), datatype)).is_none();
                self.check(new, "tck-id-payloads-alias-uniqueness", message);
            }
            if datatype == TEMPLATE {
                self.template(message, metric, device);
            }
        }
    }

    fn template(&mut self, message: &Value, metric: &Value, device: &str) {
        let value = &metric["value"];
        let members: BTreeSet<String> = all(&value["metrics"])
            .iter()
            .map(|member| member["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        if value["definition"] == true {
            self.check(
                device.is_empty(),
                "tck-id-payloads-template-definition-nbirth-only",
                message,
            );
            self.check(value["ref"].is_null(), "tck-id-payloads-template-ref-definition", message);
            let name = metric["name"].as_str().unwrap_or_default().to_owned();
            self.templates.insert(name, members);
            return;
        }
        let defined = self.templates.get(value["ref"].as_str().unwrap_or_default()).cloned();
        self.check(defined.is_some(), "tck-id-payloads-template-instance-ref", message);
        self.check(
            defined == Some(members),
            "tck-id-payloads-template-instance-members-birth",
            message,
        );
    }

    fn data(&mut self, message: &Value, device: &str) {
        let ready = self.alive && self.devices.contains(device);
        let id = match device {
            "" => "tck-id-payloads-ndata-order",
            _ => "tck-id-payloads-ddata-order",
        };
        self.check(ready, id, message);
        self.quality_of_service(
            message,
            0,
            ["tck-id-payloads-ddata-qos", "tck-id-payloads-ddata-retain"],
        );
        self.check(message["timestamp"].is_u64(), "tck-id-payloads-ddata-timestamp", message);
        self.next(message, "tck-id-payloads-sequence-num-incrementing");
        for metric in all(&message["metrics"]) {
            self.check(
                metric["name"].is_null(),
                "tck-id-payloads-alias-data-cmd-requirement",
                message,
            );
            let alias = metric["alias"].as_u64().unwrap_or(u64::MAX);
            let known = self.aliases.get(&alias).cloned();
            self.check(
                known.as_ref().is_some_and(|(of, _)| of == device),
                "tck-id-payloads-alias-birth-requirement",
                message,
            );
            self.check(metric["timestamp"].is_u64(), "tck-id-payloads-timestamp-in-UTC", message);
            if known.is_some_and(|(_, datatype)| datatype == TEMPLATE) {
                let value = &metric["value"];
                self.check(
                    value["definition"] == false
                        && self.templates.contains_key(value["ref"].as_str().unwrap_or_default()),
                    "tck-id-payloads-template-instance-is-definition",
                    message,
                );
            }
        }
    }

    fn ndeath(&mut self, message: &Value) {
        self.quality_of_service(
            message,
            1,
            [
                "tck-id-payloads-ndeath-will-message-qos",
                "tck-id-payloads-ndeath-will-message-retain",
            ],
        );
        self.check(message["seq"].is_null(), "tck-id-payloads-ndeath-seq", message);
        let number = of(&message["metrics"], "bdSeq").and_then(|it| it["value"].as_i64());
        // A session that ended before its birth has a number that nobody has seen.
        let known = number == self.born || !self.alive;
        self.check(number.is_some() && known, "tck-id-payloads-ndeath-bdseq", message);
        self.alive = false;
    }
}

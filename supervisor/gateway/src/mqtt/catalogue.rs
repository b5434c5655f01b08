//! Everything that an edge node will ever say, with its aliases: births list all of it, data name only what is in it.
//!
//! An axis is either an instance of a template (`axes/x` with the members `position`, …) or a folder of metrics (`axes/x/position`).

use std::collections::BTreeMap;

use queue::wire::{MetricKind, MetricSpec, Sparkplug};

use super::payload::{DataType, Metric, Payload, Property, PropertySet, Template, Value, long};

/// Asks for births of everything.
pub(super) const REBIRTH: &str = "Node Control/Rebirth";
/// Number of the session.
pub(super) const BDSEQ: &str = "bdSeq";
/// Says who the queue is whose sequences records carry.
pub(super) const QUEUE: &str = "Tactus/Queue";
/// A host writes here what it has.
pub(super) const ACKNOWLEDGE: &str = "Tactus/Acknowledge";
/// Records whose export the machine file no longer has, as they are.
pub(super) const OTHER: &str = "Tactus/Other";

/// As OPC has them, and Sparkplug after it.
pub(super) const GOOD: u32 = 192;
pub(super) const STALE: u32 = 500;
pub(super) const BAD: u32 = 0;

/// A metric with a value of its own.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) name: String,
    /// `None`: a member of a template.
    pub(super) alias: Option<u64>,
    pub(super) datatype: DataType,
    unit: String,
    pub(super) now: Now,
}

/// What was said last of a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Now {
    pub(super) value: Option<Value>,
    pub(super) at_ms: u64,
    pub(super) quality: u32,
}

/// An axis as an instance of a template.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    pub(super) alias: u64,
    /// Its definition.
    pub(super) template: String,
    leaves: Vec<usize>,
}

/// The node (without a name) or a device.
#[derive(Debug, Default)]
pub(super) struct Speaker {
    pub(super) name: Option<String>,
    leaves: Vec<usize>,
    instances: Vec<usize>,
}

/// Where the value of a record is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) speaker: usize,
    pub(super) instance: Option<usize>,
    pub(super) last: usize,
    /// Smallest, largest, mean.
    pub(super) statistics: Option<[usize; 3]>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Catalogue {
    pub(super) leaves: Vec<Leaf>,
    pub(super) instances: Vec<Instance>,
    /// The node first.
    pub(super) speakers: Vec<Speaker>,
    places: BTreeMap<String, Place>,
    definitions: Vec<(String, Vec<(String, DataType)>)>,
    next_alias: u64,
}

impl Catalogue {
    pub(super) fn new(spec: &Sparkplug, queue: &str) -> Self {
        let mut all = Self {
            leaves: Vec::new(),
            instances: Vec::new(),
            speakers: vec![Speaker::default()],
            places: BTreeMap::new(),
            definitions: Vec::new(),
            next_alias: 1,
        };
        let of_node = |all: &mut Self, name: &str| {
            let leaf = all.leaf(name.to_owned(), DataType::String, "", true);
            all.speakers[0].leaves.push(leaf);
            leaf
        };
        let id = of_node(&mut all, QUEUE);
        all.leaves[id].now.value = Some(Value::String(queue.to_owned()));
        all.leaves[id].now.quality = GOOD;
        if spec.acknowledged {
            of_node(&mut all, ACKNOWLEDGE);
        }
        let other = of_node(&mut all, OTHER);
        all.places.insert(
            OTHER.to_owned(),
            Place { speaker: 0, instance: None, last: other, statistics: None },
        );
        spec.metrics.iter().for_each(|metric| all.add(metric, spec.templates));
        all.define();
        all
    }

    fn alias(&mut self) -> u64 {
        self.next_alias += 1;
        self.next_alias - 1
    }

    fn leaf(&mut self, name: String, datatype: DataType, unit: &str, own: bool) -> usize {
        let alias = own.then(|| self.alias());
        let now = Now { value: None, at_ms: 0, quality: STALE };
        self.leaves.push(Leaf { name, alias, datatype, unit: unit.to_owned(), now });
        self.leaves.len() - 1
    }

    fn speaker(&mut self, device: Option<&String>) -> usize {
        match self.speakers.iter().position(|it| it.name.as_ref() == device) {
            Some(place) => place,
            None => {
                self.speakers.push(Speaker { name: device.cloned(), ..Speaker::default() });
                self.speakers.len() - 1
            }
        }
    }

    fn instance(&mut self, speaker: usize, axis: &str) -> usize {
        let name = format!("axes/{axis}");
        let is = |it: &usize| self.instances.get(*it).is_some_and(|it| it.name == name);
        if let Some(found) = self.speakers[speaker].instances.iter().copied().find(is) {
            return found;
        }
        let alias = self.alias();
        self.instances.push(Instance { name, alias, template: String::new(), leaves: Vec::new() });
        self.speakers[speaker].instances.push(self.instances.len() - 1);
        self.instances.len() - 1
    }

    fn add(&mut self, spec: &MetricSpec, templates: bool) {
        let speaker = self.speaker(spec.device.as_ref());
        let axis = spec.axis.as_deref();
        let instance = axis.filter(|_| templates).map(|axis| self.instance(speaker, axis));
        let name = match axis {
            Some(axis) if !templates => format!("axes/{axis}/{}", spec.name),
            _ => spec.name.clone(),
        };
        let datatype = match spec.kind {
            MetricKind::Integer => DataType::Int64,
            MetricKind::Real => DataType::Double,
            MetricKind::Event => DataType::String,
        };
        let one = |all: &mut Self, name: String, datatype| {
            let leaf = all.leaf(name, datatype, &spec.unit, instance.is_none());
            match instance {
                Some(instance) => all.instances[instance].leaves.push(leaf),
                None => all.speakers[speaker].leaves.push(leaf),
            }
            leaf
        };
        let last = one(self, name.clone(), datatype);
        let statistics = spec.statistics.then(|| {
            [("min", datatype), ("max", datatype), ("mean", DataType::Double)]
                .map(|(word, datatype)| one(self, format!("{name}/{word}"), datatype))
        });
        self.places.insert(spec.record.clone(), Place { speaker, instance, last, statistics });
    }

    /// Axes with the same members have the same definition.
    fn define(&mut self) {
        let Self { leaves, instances, definitions, .. } = self;
        for instance in instances {
            let members: Vec<_> = instance
                .leaves
                .iter()
                .filter_map(|leaf| leaves.get(*leaf))
                .map(|leaf| (leaf.name.clone(), leaf.datatype))
                .collect();
            let place =
                definitions.iter().position(|(_, it)| *it == members).unwrap_or_else(|| {
                    let name = match definitions.len() {
                        0 => "Axis".to_owned(),
                        more => format!("Axis {}", more + 1),
                    };
                    definitions.push((name, members));
                    definitions.len() - 1
                });
            instance.template.clone_from(&definitions[place].0);
        }
    }

    /// Where a record belongs; what nobody knows any more has a place too.
    pub(super) fn place(&self, record: &str) -> (&Place, bool) {
        match self.places.get(record) {
            Some(place) if record != OTHER => (place, true),
            _ => (&self.places[OTHER], false),
        }
    }

    /// The metric that a command means: its name, and its type.
    pub(super) fn of_node(&self, metric: &Metric) -> Option<(&str, DataType)> {
        if metric.name.as_deref() == Some(REBIRTH) {
            return Some((REBIRTH, DataType::Boolean));
        }
        let mut leaves =
            self.speakers.first()?.leaves.iter().filter_map(|leaf| self.leaves.get(*leaf));
        let is = |leaf: &&Leaf| match &metric.name {
            Some(name) => leaf.name == *name,
            None => metric.alias.is_some() && leaf.alias == metric.alias,
        };
        leaves.find(is).map(|leaf| (leaf.name.as_str(), leaf.datatype))
    }

    /// NBIRTH (speaker 0, with the number of the session) or DBIRTH: every metric, with what is known of it.
    pub(super) fn birth(&self, speaker: usize, seq: u8, session: u8, now_ms: u64) -> Payload {
        let mut metrics = Vec::new();
        if speaker == 0 {
            metrics.push(bdseq(session, now_ms));
            metrics.push(Metric {
                name: Some(REBIRTH.to_owned()),
                timestamp: Some(now_ms),
                datatype: Some(DataType::Boolean.number()),
                value: Some(Value::Boolean(false)),
                ..Metric::default()
            });
            metrics.extend(self.definitions.iter().map(|it| definition(it, now_ms)));
        }
        let of = &self.speakers[speaker];
        metrics.extend(of.leaves.iter().map(|leaf| self.leaves[*leaf].born(now_ms)));
        for instance in of.instances.iter().map(|it| &self.instances[*it]) {
            let members = instance.leaves.iter().map(|leaf| self.leaves[*leaf].born(now_ms));
            metrics.push(Metric {
                name: Some(instance.name.clone()),
                alias: Some(instance.alias),
                timestamp: Some(now_ms),
                datatype: Some(DataType::Template.number()),
                value: Some(instance.of(members.collect())),
                ..Metric::default()
            });
        }
        Payload { timestamp: Some(now_ms), metrics, seq: Some(u64::from(seq)) }
    }
}

impl Instance {
    /// A value of it, with these members.
    pub(super) fn of(&self, members: Vec<Metric>) -> Value {
        Value::Template(Template {
            metrics: members,
            template_ref: Some(self.template.clone()),
            is_definition: Some(false),
        })
    }
}

impl Leaf {
    fn born(&self, now_ms: u64) -> Metric {
        let mut properties = quality(self.now.quality);
        if !self.unit.is_empty() {
            properties.add("engUnit", Property::String(self.unit.clone()));
        }
        let known = self.now.at_ms != 0;
        Metric {
            name: Some(self.name.clone()),
            alias: self.alias,
            timestamp: Some(if known { self.now.at_ms } else { now_ms }),
            datatype: Some(self.datatype.number()),
            is_null: self.now.value.is_none().then_some(true),
            properties: Some(properties),
            value: self.now.value.clone(),
            ..Metric::default()
        }
    }
}

pub(super) fn quality(code: u32) -> PropertySet {
    let mut properties = PropertySet::default();
    properties.add("Quality", Property::Int(code));
    properties
}

fn bdseq(session: u8, now_ms: u64) -> Metric {
    Metric {
        name: Some(BDSEQ.to_owned()),
        timestamp: Some(now_ms),
        datatype: Some(DataType::Int64.number()),
        value: Some(long(i64::from(session))),
        ..Metric::default()
    }
}

/// NDEATH: the number of the session, and nothing else.
pub(super) fn death(session: u8, now_ms: u64) -> Payload {
    Payload { timestamp: Some(now_ms), metrics: vec![bdseq(session, now_ms)], seq: None }
}

fn definition((name, members): &(String, Vec<(String, DataType)>), now_ms: u64) -> Metric {
    let members = members.iter().map(|(name, datatype)| Metric {
        name: Some(name.clone()),
        timestamp: Some(now_ms),
        datatype: Some(datatype.number()),
        is_null: Some(true),
        ..Metric::default()
    });
    Metric {
        name: Some(name.clone()),
        timestamp: Some(now_ms),
        datatype: Some(DataType::Template.number()),
        value: Some(Value::Template(Template {
            metrics: members.collect(),
            template_ref: None,
            is_definition: Some(true),
        })),
        ..Metric::default()
    }
}

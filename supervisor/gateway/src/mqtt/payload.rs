//! The payload of Sparkplug B, as protobuf: field numbers of the specification 3.0, chapter 6.4. What we neither send nor read (data
//! sets, files, metadata) is left out: a reader skips what it does not know.

/// Content of every message but STATE.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Payload {
    /// When it was sent, ms since 1970, UTC.
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    /// Its metrics.
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    /// 0 to 255 and again; in no death certificate and no command.
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
}

/// A value with its name or alias.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metric {
    /// In births, and of members of templates.
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    /// Stands for the name in everything but births.
    #[prost(uint64, optional, tag = "2")]
    pub(super) alias: Option<u64>,
    /// When the value was taken, ms since 1970, UTC.
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    /// A [`DataType`].
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    /// It is not of now: a host must not show it as the current value.
    #[prost(bool, optional, tag = "5")]
    pub(super) is_historical: Option<bool>,
    /// There is no value.
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    /// Quality and more.
    #[prost(message, optional, tag = "9")]
    pub(super) properties: Option<PropertySet>,
    /// The value.
    #[prost(oneof = "Value", tags = "10, 11, 12, 13, 14, 15, 18")]
    pub(super) value: Option<Value>,
}

/// Value of a metric.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Value {
    /// Up to 32 bits; signed ones as their two's complement.
    #[prost(uint32, tag = "10")]
    Int(u32),
    /// 64 bits, the same way.
    #[prost(uint64, tag = "11")]
    Long(u64),
    /// Single precision.
    #[prost(float, tag = "12")]
    Float(f32),
    /// Double precision.
    #[prost(double, tag = "13")]
    Double(f64),
    /// Yes or no.
    #[prost(bool, tag = "14")]
    Boolean(bool),
    /// A text.
    #[prost(string, tag = "15")]
    String(String),
    /// An instance or a definition.
    #[prost(message, tag = "18")]
    Template(Template),
}

/// A complex type, or a value of one.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Template {
    /// Its members.
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    /// Of an instance: name of its definition.
    #[prost(string, optional, tag = "4")]
    pub(super) template_ref: Option<String>,
    /// Whether it is the definition.
    #[prost(bool, optional, tag = "5")]
    pub(super) is_definition: Option<bool>,
}

/// Properties of a metric: as many keys as values.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PropertySet {
    /// Names.
    #[prost(string, repeated, tag = "1")]
    pub(super) keys: Vec<String>,
    /// Values.
    #[prost(message, repeated, tag = "2")]
    pub(super) values: Vec<PropertyValue>,
}

/// Value of a property.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PropertyValue {
    /// A [`DataType`].
    #[prost(uint32, optional, tag = "1")]
    pub(super) datatype: Option<u32>,
    /// The value.
    #[prost(oneof = "Property", tags = "3, 4, 8")]
    pub(super) value: Option<Property>,
}

/// Value of a property.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Property {
    /// Up to 32 bits.
    #[prost(uint32, tag = "3")]
    Int(u32),
    /// 64 bits.
    #[prost(uint64, tag = "4")]
    Long(u64),
    /// A text.
    #[prost(string, tag = "8")]
    String(String),
}

/// Types that we use, with their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DataType {
    /// Of qualities.
    Int32,
    /// Of signals and bdSeq.
    Int64,
    /// Of sequences.
    UInt64,
    /// Of axes and times.
    Double,
    /// Of `Node Control/Rebirth`.
    Boolean,
    /// Of events.
    String,
    /// Of axes as templates.
    Template,
}

impl DataType {
    /// Its number.
    #[must_use]
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Int32 => 3,
            Self::Int64 => 4,
            Self::UInt64 => 8,
            Self::Double => 10,
            Self::Boolean => 11,
            Self::String => 12,
            Self::Template => 19,
        }
    }

    /// Whether a value is of it.
    #[must_use]
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Self::Int32 => matches!(value, Value::Int(_)),
            Self::Int64 | Self::UInt64 => matches!(value, Value::Long(_)),
            Self::Double => matches!(value, Value::Double(_)),
            Self::Boolean => matches!(value, Value::Boolean(_)),
            Self::String => matches!(value, Value::String(_)),
            Self::Template => matches!(value, Value::Template(_)),
        }
    }
}

/// A signed integer as the payload carries it.
#[must_use]
pub(super) fn long(value: i64) -> Value {
    Value::Long(u64::from_ne_bytes(value.to_ne_bytes()))
}

impl PropertySet {
    /// One more.
    pub(super) fn add(&mut self, key: &str, value: Property) {
        let datatype = match value {
            Property::Int(_) => DataType::Int32,
            Property::Long(_) => DataType::UInt64,
            Property::String(_) => DataType::String,
        };
        self.keys.push(key.to_owned());
        self.values.push(PropertyValue { datatype: Some(datatype.number()), value: Some(value) });
    }
}

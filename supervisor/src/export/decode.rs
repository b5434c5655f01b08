//! Protobuf by the descriptors that a recording carries: whatever version wrote it, this reads it.

use prost::Message as _;
use prost::encoding::decode_varint;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};
use serde_json::{Map, Value};

/// Messages in messages, at most.
const DEPTH_MAX: usize = 8;

/// What the messages of a topic look like.
#[derive(Debug)]
pub(super) struct Schema {
    messages: Vec<(String, DescriptorProto)>,
    enums: Vec<(String, EnumDescriptorProto)>,
    name: String,
}

impl Schema {
    /// From a schema record.
    ///
    /// # Errors
    /// It describes nothing of that name.
    pub(super) fn of(name: &str, descriptors: &[u8]) -> Result<Self, String> {
        let set = FileDescriptorSet::decode(descriptors).map_err(|wrong| wrong.to_string())?;
        let (mut messages, mut enums) = (Vec::new(), Vec::new());
        for file in set.file {
            let package = file.package().to_owned();
            let full = |name: &str| format!(".{package}.{name}");
            for message in file.message_type {
                for inside in &message.enum_type {
                    let place = format!("{}.{}", message.name(), inside.name());
                    enums.push((full(&place), inside.clone()));
                }
                messages.push((full(message.name()), message));
            }
            for found in file.enum_type {
                enums.push((full(found.name()), found));
            }
        }
        let schema = Self { messages, enums, name: format!(".{name}") };
        match schema.message(&schema.name) {
            Some(_) => Ok(schema),
            None => Err(format!("its schema {name} describes no such message")),
        }
    }

    fn message(&self, name: &str) -> Option<&DescriptorProto> {
        self.messages.iter().find(|(known, _)| known == name).map(|(_, message)| message)
    }

    /// Names of the fields, in order.
    pub(super) fn fields(&self) -> Vec<String> {
        let fields = self.message(&self.name).map(|message| &message.field[..]).unwrap_or_default();
        fields.iter().map(|field| field.name().to_owned()).collect()
    }

    /// A message: every field that has a value or a default.
    ///
    /// # Errors
    /// It is not as its schema says.
    pub(super) fn decode(&self, bytes: &[u8]) -> Result<Map<String, Value>, String> {
        self.object(&self.name, bytes, DEPTH_MAX)
    }

    fn object(
        &self,
        name: &str,
        mut bytes: &[u8],
        depth: usize,
    ) -> Result<Map<String, Value>, String> {
        let message = self.message(name).ok_or_else(|| format!("no message {name}"))?;
        if depth == 0 {
            return Err(format!("{name}: messages in messages without end"));
        }
        let mut object = Map::new();
        for field in &message.field {
            object.insert(field.name().to_owned(), self.default(field));
        }
        while !bytes.is_empty() {
            let key = decode_varint(&mut bytes).map_err(|wrong| wrong.to_string())?;
            let raw = Raw::take(key & 7, &mut bytes)?;
            let field = message.field.iter().find(|it| u64::try_from(it.number()) == Ok(key >> 3));
            let Some(field) = field else { continue };
            let place = object.entry(field.name().to_owned()).or_insert(Value::Null);
            self.put(field, raw, place, depth)?;
        }
        Ok(object)
    }

    fn put(
        &self,
        field: &FieldDescriptorProto,
        raw: Raw<'_>,
        place: &mut Value,
        depth: usize,
    ) -> Result<(), String> {
        let Value::Array(all) = place else {
            *place = self.value(field, &raw, depth)?;
            return Ok(());
        };
        // Numbers that are repeated stand in one piece; a single one is allowed too.
        match raw {
            Raw::Bytes(mut packed) if is_packed(field) => {
                while !packed.is_empty() {
                    let one = Raw::take(wire(field), &mut packed)?;
                    all.push(self.value(field, &one, depth)?);
                }
            }
            raw => all.push(self.value(field, &raw, depth)?),
        }
        Ok(())
    }

    fn value(
        &self,
        field: &FieldDescriptorProto,
        raw: &Raw<'_>,
        depth: usize,
    ) -> Result<Value, String> {
        Ok(match (field.r#type(), raw) {
            (Type::Double, Raw::Wide(bits)) => Value::from(f64::from_bits(*bits)),
            (Type::Float, Raw::Narrow(bits)) => Value::from(f32::from_bits(*bits)),
            (Type::Fixed64, Raw::Wide(bits)) => Value::from(*bits),
            (Type::Sfixed64, Raw::Wide(bits)) => Value::from(bits.cast_signed()),
            (Type::Fixed32, Raw::Narrow(bits)) => Value::from(*bits),
            (Type::Sfixed32, Raw::Narrow(bits)) => Value::from(bits.cast_signed()),
            (Type::Bool, Raw::Varint(number)) => Value::from(*number != 0),
            (Type::Int32 | Type::Int64, Raw::Varint(number)) => Value::from(number.cast_signed()),
            (Type::Uint32 | Type::Uint64, Raw::Varint(number)) => Value::from(*number),
            (Type::Sint32 | Type::Sint64, Raw::Varint(number)) => {
                Value::from((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
            }
            (Type::Enum, Raw::Varint(number)) => self.word(field, number.cast_signed()),
            (Type::String, Raw::Bytes(bytes)) => {
                Value::from(String::from_utf8_lossy(bytes).into_owned())
            }
            (Type::Bytes, Raw::Bytes(bytes)) => Value::from(crate::run::hex(bytes)),
            (Type::Message, Raw::Bytes(bytes)) => {
                Value::Object(self.object(field.type_name(), bytes, depth - 1)?)
            }
            _ => return Err(format!("{}: not of the type that its schema says", field.name())),
        })
    }

    fn word(&self, field: &FieldDescriptorProto, number: i64) -> Value {
        let found = self.enums.iter().find(|(name, _)| name == field.type_name());
        let value = found.and_then(|(_, found)| {
            found.value.iter().find(|value| i64::from(value.number()) == number)
        });
        value.map_or_else(|| Value::from(number), |value| Value::from(value.name()))
    }

    /// What a field that is not on the wire means.
    fn default(&self, field: &FieldDescriptorProto) -> Value {
        if field.label() == Label::Repeated {
            return Value::Array(Vec::new());
        }
        if field.proto3_optional() {
            return Value::Null;
        }
        match field.r#type() {
            Type::Message | Type::Group => Value::Null,
            Type::Double | Type::Float => Value::from(0.0),
            Type::Bool => Value::from(false),
            Type::String | Type::Bytes => Value::from(""),
            Type::Enum => self.word(field, 0),
            _ => Value::from(0),
        }
    }
}

/// A value as it stands on the wire.
enum Raw<'a> {
    Varint(u64),
    Wide(u64),
    Narrow(u32),
    Bytes(&'a [u8]),
}

impl<'a> Raw<'a> {
    fn take(wire: u64, bytes: &mut &'a [u8]) -> Result<Self, String> {
        let short = || "it ends in the middle of a value".to_owned();
        Ok(match wire {
            0 => Self::Varint(decode_varint(bytes).map_err(|wrong| wrong.to_string())?),
            1 => {
                let (head, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
                *bytes = rest;
                Self::Wide(u64::from_le_bytes(*head))
            }
            5 => {
                let (head, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
                *bytes = rest;
                Self::Narrow(u32::from_le_bytes(*head))
            }
            2 => {
                let length = decode_varint(bytes).map_err(|wrong| wrong.to_string())?;
                let length = usize::try_from(length).map_err(|_| short())?;
                let (head, rest) = bytes.split_at_checked(length).ok_or_else(short)?;
                *bytes = rest;
                Self::Bytes(head)
            }
            other => return Err(format!("wire type {other}")),
        })
    }
}

fn wire(field: &FieldDescriptorProto) -> u64 {
    match field.r#type() {
        Type::Double | Type::Fixed64 | Type::Sfixed64 => 1,
        Type::Float | Type::Fixed32 | Type::Sfixed32 => 5,
        Type::String | Type::Bytes | Type::Message | Type::Group => 2,
        _ => 0,
    }
}

fn is_packed(field: &FieldDescriptorProto) -> bool {
    wire(field) != 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::messages::{Event, InputSignal, Inputs, Signal};
    use prost::Message;

    fn decoded(name: &str, message: &impl Message) -> Value {
        let schema = Schema::of(name, &crate::record::descriptors()).unwrap();
        Value::Object(schema.decode(&message.encode_to_vec()).unwrap())
    }

    #[test]
    fn numbers_words_bytes_and_what_is_not_there_come_out_as_they_went_in() {
        let signal = Signal { value: i64::MIN, quality: 2, at: u64::MAX };
        let found = decoded("tactus.Signal", &signal);
        assert_eq!(
            found,
            serde_json::json!({ "value": i64::MIN, "quality": "STALE", "at": u64::MAX })
        );
        let event = Event { kind: "a \"b\"\n".into(), distance: Some(-0.5), ..Event::default() };
        let event = Event { emergency_data: Some(vec![0, 255]), ..event };
        let found = decoded("tactus.Event", &event);
        assert_eq!(found["kind"], "a \"b\"\n");
        assert_eq!((&found["distance"], &found["group"]), (&(-0.5).into(), &Value::Null));
        assert_eq!(found["emergency_data"], "00ff");
        let one = InputSignal { signal: 3, value: -7, quality: 1, at: 9 };
        let inputs = Inputs { cycle: 5, signals: vec![one, one], ..Inputs::default() };
        let found = decoded("tactus.Inputs", &inputs);
        assert_eq!(found["signals"][1]["value"], -7);
        assert_eq!(
            (&found["command"], found["stamps"].as_array().map(Vec::len)),
            (&Value::Null, Some(0))
        );
    }

    #[test]
    fn what_is_not_as_its_schema_says_is_an_error_and_no_panic() {
        let schema = Schema::of("tactus.Event", &crate::record::descriptors()).unwrap();
        let whole =
            Event { text: "abc".into(), input_at: Some(1), ..Event::default() }.encode_to_vec();
        for cut in 1..whole.len() {
            let _ = schema.decode(&whole[..cut]);
        }
        assert!(schema.decode(&[0x1A, 200]).is_err());
        assert!(Schema::of("tactus.Nothing", &crate::record::descriptors()).is_err());
    }
}

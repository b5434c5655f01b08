//! The descriptors that a recording embeds, so that it explains itself to any reader.

mod replay;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, OneofDescriptorProto,
};

/// The schema names of a recording.
pub(super) mod name {
    /// How a cycle went.
    pub(in crate::record) const CYCLE: &str = "tactus.Cycle";
    /// How an axis went.
    pub(in crate::record) const AXIS: &str = "tactus.Axis";
    /// A signal.
    pub(in crate::record) const SIGNAL: &str = "tactus.Signal";
    /// A drive.
    pub(in crate::record) const DRIVE: &str = "tactus.Drive";
    /// An event.
    pub(in crate::record) const EVENT: &str = "tactus.Event";
    /// A camera's result.
    pub(in crate::record) const VISION: &str = "tactus.Vision";
    /// What separation found.
    pub(in crate::record) const SEPARATION: &str = "tactus.Separation";
    /// What a step was given.
    pub(in crate::record) const INPUTS: &str = "tactus.Inputs";
    /// What the loop remembers.
    pub(in crate::record) const CHECKPOINT: &str = "tactus.Checkpoint";
    /// What a file holds of what the loop left.
    pub(in crate::record) const LEDGER: &str = "tactus.Ledger";
    /// An event as Foxglove's log panel reads it.
    pub(in crate::record) const LOG: &str = "foxglove.Log";
}

/// Everything that topics of `tactus.*` need, encoded.
#[must_use]
pub(super) fn tactus() -> Vec<u8> {
    FileDescriptorSet { file: vec![tactus_file()] }.encode_to_vec()
}

/// Everything that `/log` needs, encoded.
#[must_use]
pub(super) fn foxglove_log() -> Vec<u8> {
    FileDescriptorSet { file: vec![timestamp_file(), foxglove_file()] }.encode_to_vec()
}

fn field(name: &str, number: i32, kind: Type) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        json_name: Some(name.into()),
        ..FieldDescriptorProto::default()
    }
}

fn typed(name: &str, number: i32, kind: Type, type_name: &str) -> FieldDescriptorProto {
    FieldDescriptorProto { type_name: Some(type_name.into()), ..field(name, number, kind) }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field, ..DescriptorProto::default() }
}

fn enumeration(name: &str, values: &[(&str, i32)]) -> EnumDescriptorProto {
    let value = values
        .iter()
        .map(|(name, number)| EnumValueDescriptorProto {
            name: Some((*name).into()),
            number: Some(*number),
            options: None,
        })
        .collect();
    EnumDescriptorProto { name: Some(name.into()), value, ..EnumDescriptorProto::default() }
}

/// proto3 `optional`: each such field sits in a oneof of its own.
fn with_optional(mut message: DescriptorProto, names: &[&str]) -> DescriptorProto {
    for (place, name) in names.iter().enumerate() {
        message
            .oneof_decl
            .push(OneofDescriptorProto { name: Some(format!("_{name}")), options: None });
        for field in message.field.iter_mut().filter(|field| field.name.as_deref() == Some(*name)) {
            field.proto3_optional = Some(true);
            field.oneof_index = i32::try_from(place).ok();
        }
    }
    message
}

pub(super) fn tactus_file() -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("tactus.proto".into()),
        package: Some("tactus".into()),
        syntax: Some("proto3".into()),
        message_type: [
            vec![cycle(), axis(), signal(), drive(), event(), vision(), object(), separation()],
            replay::messages(),
        ]
        .concat(),
        enum_type: vec![
            enumeration(
                "MachineState",
                &[("BOOT", 0), ("SAFE", 1), ("AWAIT_START", 2), ("RUN", 3)],
            ),
            enumeration("BusState", &[("STARTING", 0), ("OPERATIONAL", 1), ("FAULTED", 2)]),
            enumeration(
                "AxisState",
                &[
                    ("DISABLED", 0),
                    ("STANDSTILL", 1),
                    ("HOMING", 2),
                    ("DISCRETE_MOTION", 3),
                    ("CONTINUOUS_MOTION", 4),
                    ("SYNCHRONIZED_MOTION", 5),
                    ("STOPPING", 6),
                    ("ERROR_STOP", 7),
                ],
            ),
            enumeration("Quality", &[("MISSING", 0), ("GOOD", 1), ("STALE", 2)]),
            enumeration(
                "Severity",
                &[("UNSPECIFIED", 0), ("INFO", 2), ("WARNING", 3), ("ERROR", 4)],
            ),
        ],
        ..FileDescriptorProto::default()
    }
}

fn cycle() -> DescriptorProto {
    message(
        "Cycle",
        vec![
            field("cycle", 1, Type::Uint64),
            typed("machine", 2, Type::Enum, ".tactus.MachineState"),
            typed("bus", 3, Type::Enum, ".tactus.BusState"),
            field("latency_ns", 4, Type::Uint32),
            field("execution_ns", 5, Type::Uint32),
            field("skipped", 6, Type::Uint32),
            field("units_good", 7, Type::Uint64),
            field("units_all", 8, Type::Uint64),
            field("dc_unlocked", 9, Type::Bool),
            field("dc_offset_ns", 10, Type::Sint32),
            field("received_at", 11, Type::Fixed64),
            field("frames_sent", 12, Type::Uint64),
            field("frames_received", 13, Type::Uint64),
            field("frames_late", 14, Type::Uint64),
            field("frames_foreign", 15, Type::Uint64),
            field("frames_corrupt", 16, Type::Uint64),
            field("frames_lost", 17, Type::Uint64),
            field("working_counter_errors", 18, Type::Uint64),
            field("frames_duplicate", 19, Type::Uint64),
            field("frames_truncated", 20, Type::Uint64),
        ],
    )
}

fn axis() -> DescriptorProto {
    message(
        "Axis",
        vec![
            typed("state", 1, Type::Enum, ".tactus.AxisState"),
            field("position", 2, Type::Double),
            field("velocity", 3, Type::Double),
            field("commanded", 4, Type::Double),
            field("following_error", 5, Type::Double),
            field("torque_permille", 6, Type::Sint32),
            field("stopping_distance", 7, Type::Double),
            field("disturbance_nm", 8, Type::Double),
            field("referenced", 9, Type::Bool),
            field("enabled", 10, Type::Bool),
            field("fault", 11, Type::Bool),
            field("follows_target", 12, Type::Bool),
            field("done", 13, Type::Bool),
            field("inputs_good", 14, Type::Bool),
        ],
    )
}

fn signal() -> DescriptorProto {
    message(
        "Signal",
        vec![
            field("value", 1, Type::Sint64),
            typed("quality", 2, Type::Enum, ".tactus.Quality"),
            field("at", 3, Type::Fixed64),
        ],
    )
}

fn drive() -> DescriptorProto {
    message(
        "Drive",
        vec![
            field("controlword", 1, Type::Uint32),
            field("target_position", 2, Type::Sint64),
            field("mode", 3, Type::Sint32),
            field("statusword", 4, Type::Uint32),
            field("actual_position", 5, Type::Sint64),
            field("mode_display", 6, Type::Sint32),
            field("actual_torque_permille", 7, Type::Sint32),
            field("following_error", 8, Type::Sint64),
            field("error_code", 9, Type::Uint32),
            field("digital_inputs", 10, Type::Uint32),
            field("touch_probe_position", 11, Type::Sint64),
            typed("quality", 12, Type::Enum, ".tactus.Quality"),
            field("at", 13, Type::Fixed64),
        ],
    )
}

fn event() -> DescriptorProto {
    let fields = message(
        "Event",
        vec![
            field("cycle", 1, Type::Uint64),
            typed("severity", 2, Type::Enum, ".tactus.Severity"),
            field("kind", 3, Type::String),
            field("subject", 4, Type::String),
            field("text", 5, Type::String),
            field("interlock", 6, Type::Uint32),
            field("group", 7, Type::Uint32),
            field("axis", 8, Type::Uint32),
            field("distance_predicted", 9, Type::Double),
            field("distance", 10, Type::Double),
            field("input_at", 11, Type::Fixed64),
            field("device", 12, Type::Uint32),
            field("emergency_code", 13, Type::Uint32),
            field("error_register", 14, Type::Uint32),
            field("emergency_data", 15, Type::Bytes),
        ],
    );
    let optional = [
        "interlock",
        "group",
        "axis",
        "distance_predicted",
        "distance",
        "input_at",
        "device",
        "emergency_code",
        "error_register",
        "emergency_data",
    ];
    with_optional(fields, &optional)
}

fn vision() -> DescriptorProto {
    let mut objects = typed("objects", 8, Type::Message, ".tactus.Object");
    objects.label = Some(Label::Repeated.into());
    message(
        "Vision",
        vec![
            field("sequence", 1, Type::Uint64),
            field("sequence_good", 2, Type::Bool),
            field("captured_at", 3, Type::Fixed64),
            field("quality", 4, Type::Uint32),
            field("alive", 5, Type::Bool),
            field("zones_evaluated", 6, Type::Uint32),
            field("zones_occupied", 7, Type::Uint32),
            objects,
            field("datagram", 9, Type::Bytes),
        ],
    )
}

fn object() -> DescriptorProto {
    message(
        "Object",
        vec![
            field("x", 1, Type::Sint32),
            field("y", 2, Type::Sint32),
            field("vx", 3, Type::Sint32),
            field("vy", 4, Type::Sint32),
            field("radius", 5, Type::Uint32),
            field("uncertainty", 6, Type::Uint32),
        ],
    )
}

fn separation() -> DescriptorProto {
    let fields = message(
        "Separation",
        vec![
            field("margin", 1, Type::Double),
            field("speed_limit", 2, Type::Double),
            field("moving", 3, Type::Bool),
            field("picture_age_ns", 4, Type::Uint64),
            field("rest_ns", 5, Type::Uint64),
        ],
    );
    with_optional(fields, &["margin", "speed_limit"])
}

fn timestamp_file() -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some("google/protobuf/timestamp.proto".into()),
        package: Some("google.protobuf".into()),
        syntax: Some("proto3".into()),
        message_type: vec![message(
            "Timestamp",
            vec![field("seconds", 1, Type::Int64), field("nanos", 2, Type::Int32)],
        )],
        ..FileDescriptorProto::default()
    }
}

pub(super) fn foxglove_file() -> FileDescriptorProto {
    let mut log = message(
        "Log",
        vec![
            typed("timestamp", 1, Type::Message, ".google.protobuf.Timestamp"),
            typed("level", 2, Type::Enum, ".foxglove.Log.Level"),
            field("message", 3, Type::String),
            field("name", 4, Type::String),
            field("file", 5, Type::String),
            field("line", 6, Type::Fixed32),
        ],
    );
    log.enum_type = vec![enumeration(
        "Level",
        &[("UNKNOWN", 0), ("DEBUG", 1), ("INFO", 2), ("WARNING", 3), ("ERROR", 4), ("FATAL", 5)],
    )];
    FileDescriptorProto {
        name: Some("foxglove/Log.proto".into()),
        package: Some("foxglove".into()),
        syntax: Some("proto3".into()),
        dependency: vec!["google/protobuf/timestamp.proto".into()],
        message_type: vec![log],
        ..FileDescriptorProto::default()
    }
}

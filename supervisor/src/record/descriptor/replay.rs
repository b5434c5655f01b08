//! Descriptors of what a replay reads.

use prost_types::DescriptorProto;
use prost_types::field_descriptor_proto::{Label, Type};

use super::{field, message, typed};

pub(super) fn messages() -> Vec<DescriptorProto> {
    vec![
        inputs(),
        input_signal(),
        input_stamp(),
        input_picture(),
        input_command(),
        checkpoint(),
        ledger(),
    ]
}

fn inputs() -> DescriptorProto {
    let repeated = |name: &str, number: i32, type_name: &str| {
        let mut field = typed(name, number, Type::Message, type_name);
        field.label = Some(Label::Repeated.into());
        field
    };
    message(
        "Inputs",
        vec![
            field("cycle", 1, Type::Uint64),
            field("now", 2, Type::Fixed64),
            repeated("signals", 3, ".tactus.InputSignal"),
            repeated("stamps", 4, ".tactus.InputStamp"),
            repeated("pictures", 5, ".tactus.InputPicture"),
            typed("command", 6, Type::Message, ".tactus.InputCommand"),
            repeated("results", 7, ".tactus.InputPicture"),
        ],
    )
}

fn input_signal() -> DescriptorProto {
    message(
        "InputSignal",
        vec![
            field("signal", 1, Type::Uint32),
            field("value", 2, Type::Sint64),
            typed("quality", 3, Type::Enum, ".tactus.Quality"),
            field("at", 4, Type::Fixed64),
        ],
    )
}

fn input_stamp() -> DescriptorProto {
    message("InputStamp", vec![field("signal", 1, Type::Uint32), field("at", 2, Type::Fixed64)])
}

fn input_picture() -> DescriptorProto {
    let fields = message(
        "InputPicture",
        vec![
            field("stream", 1, Type::Uint32),
            field("received_at", 2, Type::Fixed64),
            field("sequence_good", 3, Type::Bool),
            field("refused", 4, Type::Uint64),
            field("crc", 5, Type::Fixed32),
            field("offset_ns", 6, Type::Sfixed64),
        ],
    );
    super::with_optional(fields, &["offset_ns"])
}

fn input_command() -> DescriptorProto {
    message(
        "InputCommand",
        vec![field("shutdown", 1, Type::Bool), field("supervisor_at", 2, Type::Fixed64)],
    )
}

fn checkpoint() -> DescriptorProto {
    message("Checkpoint", vec![field("cycle", 1, Type::Uint64), field("words", 2, Type::Bytes)])
}

fn ledger() -> DescriptorProto {
    message(
        "Ledger",
        vec![
            field("run", 1, Type::Fixed64),
            field("next", 2, Type::Uint64),
            field("stored", 3, Type::Uint64),
        ],
    )
}
